"""``autoscale fleet verify``."""

from dataclasses import asdict
from typing import Annotated

import typer

from autoscale.command import JsonOption, print_json
from autoscale.fleet.ledger.verification import Verification, verify

_LEDGERS = typer.Argument(help="Folder of a ledger, or of several.", show_default=False, metavar="LEDGER...")


def verify_command(
    ledgers: Annotated[list[str], _LEDGERS],
    as_json: JsonOption = False,
) -> None:
    """Read every file of a ledger, and compare it with the digest it was written with.

    Ends with 1 where anything is amiss: a file that is damaged or gone, counts
    that do not fit the rows, a manifest that is not what was last committed. A
    report leaves such files out, and says so. The collector may run meanwhile.

    Example: autoscale fleet verify ledger
    """
    found = [verify(each) for each in ledgers]
    if as_json:
        print_json([asdict(each) | {"is_whole": each.is_whole} for each in found])
    else:
        for each in found:
            print("\n".join(_told(each)))
    if not all(each.is_whole for each in found):
        raise typer.Exit(1)


def _told(found: Verification) -> list[str]:
    told = [f"{found.ledger}: {found.files} files, {found.bytes / 1e6:,.1f} MB, {found.rows:,} accepted rows"]
    told += [f"  damaged or gone: {each.path}, {each.rows:,} rows" for each in found.damaged]
    if found.without_digest:
        told.append(f"  {found.without_digest} files are from before digests were kept: all of them could be read")
    if not found.is_sealed:
        told.append("  the manifest is not what was last committed: bring back a copy of the ledger")
    if found.unaccounted:
        told.append(f"  {found.unaccounted:,} accepted rows are in no file")
    return [*told, "  all is as it was written"] if found.is_whole else told
