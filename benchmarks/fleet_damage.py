"""Bit flips in a ledger, in any of its files: none may change a sum of the report without a word.

Run from the root: ``python -m benchmarks.fleet_damage [flips]``. Needs the extra ``fleet``; takes some minutes.
"""

import random
import shutil
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
KINDS: Final = (".parquet", ".sums", ".sqlite")
"""Rows, sums of rows that were aged, the manifest; no figure stands in the other files."""
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
    chance, counts = random.Random(7), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as name:
        ledger = Path(name) / "ledger"
        command = [sys.executable, "-c", FLEET, "simulate", "--devices", "60", "--days", "1", "--out", str(ledger)]
        subprocess.run(command, check=True, capture_output=True)
        aged = Path(shutil.copytree(ledger, Path(name) / "aged"))
        command = [sys.executable, "-c", FLEET, "retain", str(aged), "--days", "1"]
        subprocess.run(command, check=True, capture_output=True)
        clean = {each: as_json(account(each)) for each in (ledger, aged)}
        files = [(of, path) for of in clean for path in sorted(of.rglob("*")) if path.suffix in KINDS]
        for _ in range(flips):
            of, path = chance.choice(files)
            content = bytearray(before := path.read_bytes())
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(content)
            counts[path.suffix, told(of, clean[of])] += 1
            path.write_bytes(before)
    silent = sum(count for (_, name), count in counts.items() if name == "SILENT")
    for (kind, name), count in sorted(counts.items()):
        print(f"{kind:10} {name:10} {count:6}")
    print(f"{silent} of {flips} flipped bits changed a sum in silence")
    sys.exit(silent > 0)


if __name__ == "__main__":
    main()
