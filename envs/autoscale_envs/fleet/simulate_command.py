"""``autoscale fleet simulate``."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from autoscale.errors import InvalidInput
from autoscale.query.goal import OBJECTIVES
from autoscale_envs.fleet.assumptions import FILE
from autoscale_envs.fleet.plan import POLICIES, USUAL_MIX, FleetPlan, parse_mix
from autoscale_envs.fleet.simulate import simulate

INTERRUPTED: Final = 130
_MIX: Final = ",".join(f"{name}={share:g}" for name, share in USUAL_MIX.items())


def simulate_command(
    out: Annotated[Path, typer.Option(help="Folder of the ledger: a new or an empty one.", show_default=False)],
    devices: Annotated[int, typer.Option(help="How many devices: a thousand, a million.")] = 1000,
    days: Annotated[int, typer.Option(help="How long, 1 to 3660.")] = 7,
    seed: Annotated[int, typer.Option(help="Same seed, same records.")] = 0,
    mix: Annotated[str, typer.Option(help="Shares of the devices: names of 'autoscale devices'.")] = _MIX,
    queries_per_day: Annotated[float, typer.Option(help="Of a device, on average.")] = 50.0,
    policy: Annotated[str, typer.Option(help=f"What decides: {', '.join(POLICIES)}.")] = "learned",
    start: Annotated[str, typer.Option(help="The first day, UTC.")] = "2025-01-01",
    objective: Annotated[str, typer.Option(help=f"What a policy minimises: {', '.join(OBJECTIVES)}.")] = "energy",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Make the ledger of a fleet that does not exist, to try 'fleet report' on.

    Every record is modelled, none measured, and says so: its methods are
    "modelled" or "default", its app_version is "simulated". What a query costs
    comes of the simulator that agents are trained in, its carbon of what is
    typical of month and hour on twelve grids of eight countries and in the
    cloud regions that serve them.

    Assumed, not known: who has which device and link, where people are and
    when they ask, which networks, what else runs, how strong the signal is,
    what the agent has learned. OUT/assumptions.json has each, with its figures.

    Same options and seed, same records. Ctrl-C ends the ledger where it is: it
    can be read, but its last day lacks devices, whole models of them. A record
    takes about 40 bytes: a million devices for a year at 50 queries a day are
    18 billion records, 730 GB, and some hours.

    Example: autoscale fleet simulate --devices 10000 --days 30 --out ledger
    """
    plan = FleetPlan(devices, days, seed, parse_mix(mix), queries_per_day, policy, _date(start), objective)
    began_s = time.perf_counter()
    with _watch(plan, quiet=as_json) as watch:
        try:
            records = simulate(plan, out, watch)
        except OSError as error:
            kept = f"{watch.records:,} records were written before, and can be read"
            error.strerror = f"{error.strerror or error}; {kept}"
            raise
    elapsed_s = time.perf_counter() - began_s
    facts = {"records": records, "records_per_s": records / elapsed_s, "is_complete": not watch.stopped}
    if as_json:
        print(json.dumps({"ledger": str(out), **facts}))
    else:
        stopped = "stopped, its last day lacks devices: " if watch.stopped else ""
        rate = f"{facts['records_per_s']:,.0f} a second"
        typer.echo(f"{stopped}{records:,} records of {devices:,} devices in {out}, {rate}")
        typer.echo(f"All are modelled, on what {out / FILE} says. Account for them: autoscale fleet report {out}")
    if watch.stopped:
        raise typer.Exit(INTERRUPTED)


class Watch:
    """Shows how far a simulation is, and ends it after Ctrl-C.

    Attributes:
        records: written so far.
        stopped: whether it was ended.
    """

    def __init__(self, progress: Progress, expected: float) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=expected, shown="")
        self._began_s = time.perf_counter()
        self.records, self.stopped = 0, False

    def __call__(self, records: int) -> bool:
        """Take a report; whether to go on."""
        self.records = records
        rate = records / (time.perf_counter() - self._began_s)
        self._progress.update(self._task, completed=records, shown=f"{records:,} records, {rate:,.0f}/s")
        return not self.stopped

    def stop(self, number: int, frame: FrameType | None) -> None:
        """End at the next report; a second signal ends the process."""
        self.stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _watch(plan: FleetPlan, *, quiet: bool) -> Iterator[Watch]:
    console = Console(stderr=True)
    columns = BarColumn(), TextColumn("{task.fields[shown]}"), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        watch = Watch(progress, plan.expected_records)
        before = signal.signal(signal.SIGINT, watch.stop)
        try:
            yield watch
        finally:
            signal.signal(signal.SIGINT, before)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"start is '{text}'; allowed: a day as in 2025-01-31") from None
