"""``autoscale fleet readmit``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.manifest import FILE
from autoscale.fleet.ledger.readmission import readmit
from autoscale.fleet.ledger.store import Ledger
from autoscale_runtime.fleet.collector.collect_command import Inventory, Profiles, rules_of

_REMEDIES: Final = {
    "unknown_device": "give an --inventory that has them, here and when collecting",
    "unknown_profile": "give --profiles a folder with a NAME.toml for each, here and when collecting",
    "unknown_region": "no electricity region of that name: correct it where the device is set up; these rows stay",
}
_SHOWN: Final = 8


def readmit_command(
    ledger: Annotated[Path, typer.Argument(help="Folder of the ledger.", show_default=False)],
    inventory: Inventory = None,
    profiles: Profiles = None,
    as_json: JsonOption = False,
) -> None:
    """Let in rows from quarantine whose device, device profile or region is known by now.

    Says which names are still unknown, and what to do about them. Rows that
    cannot be true (negative, of the future, ...) stay. Each row counts once,
    however often this is run or a device sends it. The collector of the ledger
    must be stopped meanwhile.

    Example: autoscale fleet readmit ledger --profiles our-devices
    """
    if not (ledger / FILE).is_file():
        raise InvalidInput(f"'{ledger}' is no ledger: it has no {FILE}")
    with Ledger(ledger) as opened:
        done = readmit(opened, rules_of(inventory, profiles))
    if as_json:
        print_json(asdict(done) | {"names": {reason: sorted(names) for reason, names in done.names.items()}})
        return
    print(f"let in {done.accepted} rows; {sum(done.kept.values())} stay in quarantine for want of knowledge")
    for reason, rows in sorted(done.kept.items()):
        names = sorted(map(repr, done.names[reason]))
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        print(f"{reason}, {rows} rows of {', '.join(names[:_SHOWN])}{more}: {_REMEDIES[reason]}")
