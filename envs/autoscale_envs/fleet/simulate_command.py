"""``autoscale fleet simulate``."""

import time
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput
from autoscale.query.goal_options import ObjectiveOption
from autoscale_envs.fleet.assumptions import FILE
from autoscale_envs.fleet.plan import POLICIES, USUAL_MIX, FleetPlan, parse_mix
from autoscale_envs.fleet.simulate import simulate
from autoscale_envs.progress import INTERRUPTED, watching

_MIX: Final = ",".join(f"{name}={share:g}" for name, share in USUAL_MIX.items())


def simulate_command(
    out: Annotated[Path, typer.Option(help="Folder of the ledger: a new or an empty one.", show_default=False)],
    devices: Annotated[int, typer.Option(help="How many devices.")] = 1000,
    days: Annotated[int, typer.Option(help="How many days, 1 to 3660.")] = 7,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn: same seed, same records.")] = 0,
    mix: Annotated[
        str, typer.Option(help="Shares of the device models, by their names in 'autoscale devices'.")
    ] = _MIX,
    queries_per_day: Annotated[float, typer.Option(help="Queries of a device a day, on average.")] = 50.0,
    policy: Annotated[str, typer.Option(help=f"What decides: {', '.join(POLICIES)}.")] = "learned",
    start: Annotated[str, typer.Option(help="The first day, UTC.")] = "2025-01-01",
    objective: ObjectiveOption = "energy",
    considered: Annotated[
        bool, typer.Option(help="Keep what stood to be chosen, for 'evaluate --records' and 'train --guard'.")
    ] = True,
    as_json: JsonOption = False,
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
    plan = FleetPlan(devices, days, seed, parse_mix(mix), queries_per_day, policy, _date(start), objective, considered)
    began_s = time.perf_counter()
    with watching(plan.expected_records, "records", quiet=as_json) as watch:
        watch(0)
        try:
            records = simulate(plan, out, watch)
        except OSError as error:
            kept = f"{watch.done:,} records were written before, and can be read"
            error.strerror = f"{error.strerror or error}; {kept}"
            raise
    elapsed_s = time.perf_counter() - began_s
    facts = {"records": records, "records_per_s": records / elapsed_s, "is_complete": not watch.stopped}
    if as_json:
        print_json({"ledger": str(out), **facts})
    else:
        stopped = "stopped, its last day lacks devices: " if watch.stopped else ""
        rate = f"{facts['records_per_s']:,.0f} a second"
        typer.echo(f"{stopped}{records:,} records of {devices:,} devices in {out}, {rate}")
        typer.echo(f"All are modelled, on what {out / FILE} says. Account for them: autoscale fleet report {out}")
    if watch.stopped:
        raise typer.Exit(INTERRUPTED)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"start is '{text}'; allowed: a day as in 2025-01-31") from None
