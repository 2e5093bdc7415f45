"""``autoscale fleet collect``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from autoscale.carbon.intensity.places import Places
from autoscale.command import HostOption, PortOption
from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.readmission import NAMED_BY
from autoscale.fleet.ledger.validation import Rules
from autoscale.fleet.ledger.view import read_ledger
from autoscale.fleet.report.inventory import read_device_ids
from autoscale.garbage import collect_seldom
from autoscale.profiles import device_names
from autoscale.units import SECONDS_PER_DAY
from autoscale_runtime.fleet.collector.service import collect
from autoscale_runtime.host.stop_signal import StopSignal
from autoscale_runtime.wire.certificate_options import CertificateOption, ClientRootsOption, KeyOption
from autoscale_runtime.wire.certificates import certificates_of
from autoscale_runtime.wire.malloc import keep_freed_memory
from autoscale_runtime.wire.tokens import TokenFile

Inventory = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        help="CSV or TOML (.toml) of machines, each with at least device_id; rows of others stay in quarantine.",
        show_default=False,
    ),
]
Profiles = Annotated[
    Path | None,
    typer.Option(
        "--profiles",
        help="Folder of device profiles (NAME.toml) known beside those that ship; rows of others stay in quarantine.",
        show_default=False,
    ),
]


def collect_command(
    ledger: Annotated[Path, typer.Argument(help="Folder of the ledger; made where there is none.", show_default=False)],
    host: HostOption = "127.0.0.1",
    port: PortOption = 9001,
    inventory: Inventory = None,
    profiles: Profiles = None,
    ahead_s: Annotated[
        float, typer.Option(min=0.0, help="How far a device's clock may be ahead; later rows go to quarantine.")
    ] = 3600.0,
    behind_days: Annotated[
        float, typer.Option(min=0.0, help="How old a row may be when it arrives; older ones go to quarantine.")
    ] = 1096.0,
    tokens: Annotated[
        Path | None,
        typer.Option(help="TOML of device tokens; a device then sends its own rows alone.", show_default=False),
    ] = None,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    client_ca: ClientRootsOption = None,
) -> None:
    """Collect what the queries of a fleet cost into a ledger: Parquet by day.

    Prints "collecting into LEDGER on 127.0.0.1:9001" once it is ready. SIGTERM
    or Ctrl-C stops it, after the batches under way are on disk, with what it
    counted.

    Each row counts once, however often a device sends it and whatever crashes.
    Rows that cannot be true go to LEDGER/quarantine with their reason: of the
    future, negative, beyond what a query can take, carbon that does not fit its
    joules, a clock that was lost. So do rows of unknown devices (--inventory), device
    profiles (--profiles) or electricity regions; "autoscale fleet readmit" lets
    them in once they are known.

    With --tokens (see "autoscale fleet enrol") a device must bring its token,
    and writes only its own rows.

    Example: autoscale fleet collect ledger --port 9001 --inventory devices.csv
    """
    keep_freed_memory()
    collect_seldom()
    rules = replace(rules_of(inventory, profiles), ahead_s=ahead_s, behind_s=behind_days * SECONDS_PER_DAY)
    stop = StopSignal()
    certificates = certificates_of(tls_cert, tls_key, client_ca)
    known = None if tokens is None else TokenFile(tokens)
    with collect(ledger, rules, host, port, known, certificates) as collector:
        print(f"collecting into {ledger} on {collector.address}", flush=True)
        stop.wait()
    counts = read_ledger(ledger).counts
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    if any(counts.get(f"rejected:{reason}") for reason in NAMED_BY):
        print(f"which names were unknown, and how to let their rows in: autoscale fleet readmit {ledger}")


def rules_of(inventory: Path | None, profiles: Path | None) -> Rules:
    """What is known of a fleet.

    Raises:
        InvalidInput: the inventory cannot be read or lacks ``device_id``, or the profiles are no folder.
    """
    devices = None if inventory is None else read_device_ids(inventory)
    return Rules(devices, _device_models(profiles), _is_place)


def _device_models(folder: Path | None) -> frozenset[str]:
    if folder is not None and not folder.is_dir():
        raise InvalidInput(f"'{folder}' is not a folder; allowed: one of device profiles, each NAME.toml")
    own = [] if folder is None else [path.stem for path in folder.glob("*.toml")]
    return frozenset([*device_names(), *own])


def _is_place(spelling: str) -> bool:
    return Places.shipped().get(spelling) is not None
