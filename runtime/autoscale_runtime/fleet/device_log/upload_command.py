"""``autoscale fleet upload``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput
from autoscale_runtime.fleet.device_log.reading import is_log, unsent_rows
from autoscale_runtime.fleet.device_log.uploader import Uploader, UploadOptions


def upload_command(
    log: Annotated[Path, typer.Argument(help="Folder of a device's log.", show_default=False)],
    collectors: Annotated[
        list[str],
        typer.Argument(
            help="host:port, or grpcs://host:port; of several the device's name picks one.",
            show_default=False,
            metavar="COLLECTOR...",
        ),
    ],
    aggregate: Annotated[
        bool, typer.Option("--aggregate", help="Send hourly sums in place of rows: nothing says which device.")
    ] = False,
    token: Annotated[Path | None, typer.Option(help="File of this device's token.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Send the collector, this one time, what a device's log holds and it does not have.

    An app does the same with Uploader, in the background. With --aggregate the
    rows of hours that have ended leave the device as their sums alone, whole
    numbers, so that the account is the same to the nanogram. What only rows tell
    (how many devices there are, single decisions, a clock that was lost) is not
    known of them. A message of sums that is sent twice counts once.

    Example: autoscale fleet upload log collector:9001 --aggregate
    """
    if not is_log(log):
        raise InvalidInput(f"'{log}' is no device's log; allowed: the folder that LedgerWriter writes")
    with Uploader(log, collectors, UploadOptions(aggregate=aggregate), token or "") as uploader:
        done = uploader.upload()
        waiting = unsent_rows(log) if aggregate else 0
    if as_json:
        print_json({**asdict(done), "waiting": waiting})
        return
    print(f"accepted {done.accepted}, duplicate {done.duplicate}, rejected {done.rejected}, left out {done.skipped}")
    if waiting:
        print(f"{waiting} wait until their hour has ended")
