"""Bit flips in a ledger: none may change a sum of the report without a word.

Run from the root: ``python -m benchmarks.fleet_damage [flips]``. Needs the extra ``fleet``; takes some minutes.
"""

import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput
from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.report import account

FLIPS: Final = 1000
FLEET: Final = "from autoscale.fleet.fleet_command import fleet; fleet()"


def told(ledger: Path, clean: dict[str, object]) -> str:
    """How a report of a damaged ledger compares with that of the whole one."""
    try:
        found = as_json(account(ledger))
    except InvalidInput:
        return "refused"
    if found["rows"]["damaged"] or not found["rows"]["is_sealed"]:
        return "told"
    is_same = all(found[name] == clean[name] for name in ("exact", "by", "inferences"))
    return "harmless" if is_same else "SILENT"


def main() -> None:
    """Flip, report, mend; print how many of each."""
    flips = int(sys.argv[1]) if len(sys.argv) > 1 else FLIPS
    chance, counts = random.Random(7), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        ledger = Path(name) / "ledger"
        command = [sys.executable, "-c", FLEET, "simulate", "--devices", "60", "--days", "1", "--out", str(ledger)]
        subprocess.run(command, check=True, capture_output=True)
        clean = as_json(account(ledger))
        files = [*(ledger / "records").rglob("*.parquet"), ledger / "manifest.sqlite"]
        for _ in range(flips):
            path = chance.choice(files)
            content = bytearray(before := path.read_bytes())
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(content)
            counts[told(ledger, clean)] += 1
            path.write_bytes(before)
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())), f"of {flips} flipped bits")
    sys.exit(counts["SILENT"] > 0)


if __name__ == "__main__":
    main()
