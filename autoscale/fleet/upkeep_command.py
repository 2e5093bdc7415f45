"""``autoscale fleet retain``, ``forget`` and ``files``: what is kept, what goes, and what there is for other tools."""

import sys
from dataclasses import asdict
from typing import Annotated, Final

import typer

from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput
from autoscale.fleet.export.storage import KINDS, damaged_of, left_out, told_of
from autoscale.fleet.ledger.erasure import Erasure, forget, retain
from autoscale.fleet.ledger.ledgers import ledger_folder, read_ledgers
from autoscale.fleet.ledger.manifest import FILE
from autoscale.fleet.ledger.months import roll_up_months
from autoscale.fleet.ledger.store import Ledger

_ONCE: Final = "count each device_id, log_id and sequence once"

_LEDGER = typer.Argument(help="Folder of the ledger.", show_default=False)


def retain_command(
    ledger: Annotated[str, _LEDGER],
    days: Annotated[int, typer.Option(min=1, help="Days before today of which rows are kept.")],
    as_json: JsonOption = False,
) -> None:
    """Keep the rows of the last days; of older ones keep the hourly sums, which name no device.

    Reports of those days come to the same sums, by network, target, device
    model, region and hour. Quarantine of that age goes. Months that are over
    are summed, too, so that a report of a year is one of seconds. Stop the collector
    meanwhile; run it daily, say.

    Example: autoscale fleet retain ledger --days 90
    """
    with _opened(ledger) as opened:
        done, months = retain(opened, days), roll_up_months(opened)
    if as_json:
        print_json({**asdict(done), "months": months})
    else:
        _tell(done, "aged into hourly sums")
        if months:
            print(f"summed as whole months: {', '.join(months)}")


def forget_command(
    ledger: Annotated[str, _LEDGER],
    device: Annotated[str, typer.Argument(help="device_id of an installation, as in its rows.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Delete every row of a device, those in quarantine too, and all that is known of its logs.

    The files that held them are written anew and removed. How many rows went is
    counted, and no later report calls it damage. Stop the collector meanwhile;
    copies of the ledger are not reached.

    Example: autoscale fleet forget ledger 3f2a9c
    """
    with _opened(ledger) as opened:
        done = forget(opened, device)
    if not (done.rows or done.quarantined):
        print(f"no row of '{device}' was there; allowed: a device_id as in its rows, in full", file=sys.stderr)
    if as_json:
        print_json(asdict(done))
    else:
        _tell(done, "forgotten")


def files_command(
    ledgers: Annotated[list[str], typer.Argument(help="Folders of ledgers.", show_default=False, metavar="LEDGER...")],
    kind: Annotated[
        str, typer.Option(help="records, sums (hourly, names no device), sent (by devices) or devices.")
    ] = "records",
) -> None:
    """List the files that count, a path a line, for any engine that reads Parquet.

    Never glob a ledger: it has files that a crash or a compaction left over.
    What these files are not of (rows of which the sums alone are left, small files beside which
    there are no sums), what is damaged or gone, and what two ledgers have both is told on stderr.

    Example: duckdb -c "SELECT sum(energy_device_uj) FROM read_parquet([$(autoscale
    fleet files ledger | sed "s/.*/'&'/" | paste -sd,)])"
    """
    if kind not in KINDS:
        raise InvalidInput(f"kind is '{kind}'; allowed: {', '.join(KINDS)}")
    view = read_ledgers(ledgers)
    files = [path for path, entry in view.entries.items() if entry.day and entry.folder == kind]
    for path in files:
        print(path)
    for told in told_of(left_out(view, files)):
        print(told, file=sys.stderr)
    for entry in damaged_of(view, kind):
        print(f"damaged or gone, and left out: {entry.path}, {entry.rows:,} queries", file=sys.stderr)
    if view.twice > 0:
        print(f"up to {view.twice:,} queries are in files of more than one ledger: {_ONCE}", file=sys.stderr)


def _opened(ledger: str) -> Ledger:
    folder = ledger_folder(ledger)
    if not (folder / FILE).is_file():
        raise InvalidInput(f"'{folder}' is no ledger: it has no {FILE}")
    return Ledger(folder)


def _tell(done: Erasure, how: str) -> None:
    print(f"{done.rows:,} rows {how}, {done.quarantined:,} taken out of quarantine, {done.files:,} files removed")
    for each in done.damaged:
        print(f"damaged, and left as it is: {each}")
