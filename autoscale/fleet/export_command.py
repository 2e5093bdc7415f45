"""``autoscale fleet export`` and ``export-delta``: a ledger handed on to engines elsewhere."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from autoscale.command import JsonOption, print_json
from autoscale.fleet.export.delta import Delta, export_delta
from autoscale.fleet.export.published import Published, publish
from autoscale.fleet.export.storage import told_of

_LEDGER = typer.Argument(help="Folder of the ledger.", show_default=False)


def export_command(
    ledger: Annotated[str, _LEDGER],
    target: Annotated[
        str, typer.Argument(help="A folder, or object storage as in s3://bucket/prefix.", show_default=False)
    ],
    kind: Annotated[
        str, typer.Option(help="records, sums (hourly, names no device), sent (by devices) or devices.")
    ] = "records",
    as_json: JsonOption = False,
) -> None:
    """Copy the files that count to another place, for DuckDB, polars, Spark and whatever reads Parquet.

    They come into a folder of their own. When all are there, TARGET/latest.json
    says so: which folder, its files and their digests. A store that fails in
    mid-copy leaves the former one the latest. Older folders are yours to
    remove, and rows that "autoscale fleet forget" took out are in them still.

    Credentials and endpoint of S3 are those of its usual variables
    (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...) or of the address
    (?region=...&endpoint_override=...). The collector may run meanwhile.

    Example: autoscale fleet export ledger "s3://carbon/fleet?region=eu-west-1"
    """
    done = publish(ledger, target, kind)
    if as_json:
        print_json(asdict(done))
    else:
        print(f"{done.folder}: {done.files:,} files, {done.rows:,} rows")
    _tell(done)


def export_delta_command(
    ledger: Annotated[str, _LEDGER],
    table: Annotated[str, typer.Argument(help="Folder of the table; made where there is none.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Make a table of Delta Lake of the rows, or bring it up to date in one commit of its log.

    Files are copied, never moved: the ledger stays what it is, and the collector
    may run meanwhile. What the log names no longer stays on disk until the
    table is vacuumed, rows that "autoscale fleet forget" took out among it.

    Example: autoscale fleet export-delta ledger table
    """
    done = export_delta(ledger, table)
    if as_json:
        print_json(asdict(done))
    elif done.version >= 0:
        print(f"{table}: version {done.version}, {done.files:,} files, {done.rows:,} rows", end="")
        print(f" ({done.added:,} files added, {done.removed:,} removed)")
    if not done.files:
        print("the ledger has no rows" + ("" if done.version >= 0 else "; no table was made"), file=sys.stderr)
    _tell(done)


def _tell(done: Published | Delta) -> None:
    """Say what was not handed on."""
    for each in told_of(done.left_out):
        print(each, file=sys.stderr)
    for each in done.damaged:
        print(f"damaged or gone, and left out: {each}", file=sys.stderr)
