"""The command ``autoscale evaluate``."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autoscale.errors import InvalidInput
from autoscale.profiles import device_names
from autoscale.profiles.folder import is_file, shipped_name
from autoscale.profiles.networks import network_names
from autoscale.profiles.remotes import parse_remotes
from autoscale_envs.evaluation import pool
from autoscale_envs.evaluation.contestants import USUAL, check_contestants
from autoscale_envs.evaluation.display import LEGEND, beside_paper, comparison, sureness
from autoscale_envs.evaluation.picture import check_drawable, draw
from autoscale_envs.evaluation.plan import PHONES, Cell, Plan
from autoscale_envs.evaluation.report import Results, rows, summary, to_json, write_csv, write_json
from autoscale_envs.evaluation.rollout import Result, rollout
from autoscale_envs.progress import INTERRUPTED
from autoscale_envs.variance.scenarios import SCENARIOS, load_scenario

STANDARD_OUTPUT = Path("-")
HEADLINERS = ("opt", "q-learning", "q-learning-greedy", "cost-model")


def evaluate(
    address: Annotated[
        str | None, typer.Argument(help="With --ray: the cluster's address.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="Devices, by commas; 'all' are the paper's three phones.")] = "all",
    scenario: Annotated[str, typer.Option(help="Scenarios, by commas, as S1,D3; or 'all'.")] = "all",
    networks: Annotated[str, typer.Option(help="Networks, by commas; or 'all'.")] = "all",
    agents: Annotated[str, typer.Option(help=f"Agents, by commas; 'all' are {', '.join(USUAL)}.")] = "all",
    policy: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE: also a trained policy; {device} in FILE is the device's name. Repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each agent on each network; each has a device of its own.")] = 10,
    queries: Annotated[int, typer.Option(help="Queries of a run.")] = 200,
    warm_up: Annotated[int | None, typer.Option(help="Of these, for learning; half if not given.")] = None,
    objective: Annotated[str, typer.Option(help="energy, carbon or latency.")] = "energy",
    min_accuracy: Annotated[float | None, typer.Option(help="Lowest acceptable accuracy, a fraction.")] = None,
    hidden_sigma: Annotated[float, typer.Option(help="How far a device is from its profile.")] = 0.15,
    noise: Annotated[bool, typer.Option(help="Whether queries stray from what could be known of them.")] = True,
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    settings: Annotated[str, typer.Option(help="What a device's own targets set: dvfs, or threads.")] = "dvfs",
    remotes: Annotated[
        str, typer.Option(help="As of autoscale train: cloud=gpu-server,edge:tablet=tab-s6.", show_default=False)
    ] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here; - prints them.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write them here as a table.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (PNG) here.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; one for each core if not given.")] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Spread over an existing Ray cluster: --ray [ADDRESS].")] = False,
) -> None:
    """Compare agents with the paper's baselines and with the oracle, on simulated devices.

    Each agent answers the same queries of each network on each device in each scenario, with as many seeds as asked
    for; each seed is a device that differs from its profile. Agents that learn do so as they go; the queries after the
    warm-up are judged. Ctrl-C keeps what is finished.

    Example: autoscale evaluate --device mi8pro --scenario S1,D3 --agents q-learning,cost-model --json rows.json
    """
    plan = Plan(
        devices=_devices(device),
        scenarios=tuple(load_scenario(each).name for each in _listed(scenario, tuple(SCENARIOS))),
        networks=tuple(_network(each) for each in _listed(networks, tuple(network_names()))),
        agents=_listed(agents, ()),
        policies=dict(_policy(each) for each in policy or []),
        objective=objective,
        min_accuracy=min_accuracy,
        hidden_sigma=hidden_sigma,
        noisy=noise,
        seeds=seeds,
        queries=queries,
        warm_up=queries // 2 if warm_up is None else warm_up,
        seed=seed,
        settings=settings,
        remotes=parse_remotes(remotes),
    )
    check_contestants(plan)
    _check_outputs(json_file, csv_file, plot)
    finished = _engine(plan, jobs, address, ray)
    console = Console(stderr=json_file == STANDARD_OUTPUT)
    start_s = time.monotonic()
    results, problem = _collect(finished, plan)
    finished_rows = rows(plan, results)
    if finished_rows or problem is None:
        _write(plan, results, json_file, csv_file, plot)
    _tell(console, plan, results, time.monotonic() - start_s)
    if problem is not None:
        files = [str(each) for each in (json_file, csv_file, plot) if each is not None and finished_rows]
        kept = f"interrupted: {len(finished_rows)} finished rows kept{' in ' * bool(files)}{', '.join(files)}"
        console.print(kept, highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) if isinstance(problem, KeyboardInterrupt) else problem


def _listed(text: str, everything: tuple[str, ...]) -> tuple[str, ...]:
    """The names between commas, once each; ``all`` stands for everything."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    return everything if names == ("all",) else names


def _devices(text: str) -> tuple[str, ...]:
    return tuple(
        each if is_file(each) else shipped_name("device", each, device_names()) for each in _listed(text, PHONES)
    )


def _network(name: str) -> str:
    return name if is_file(name) else shipped_name("network", name, network_names())


def _policy(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise InvalidInput(f"policy is '{text}'; allowed: NAME=FILE, as in dqn=policies/dqn-{{device}}.npz")
    return name, path


def _check_outputs(json_file: Path | None, csv_file: Path | None, plot: Path | None) -> None:
    """Whether all can be written, before the long run.

    Raises:
        OSError: one cannot.
        MissingExtra: what draws is not installed.
    """
    for path in (json_file, csv_file, plot):
        if path is not None and path != STANDARD_OUTPUT:
            if path.is_dir():
                raise IsADirectoryError(f"cannot write '{path}': it is a folder")
            if not path.parent.is_dir():
                raise FileNotFoundError(f"cannot write '{path}': the folder '{path.parent}' does not exist")
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    if plot is not None:
        check_drawable()


def _engine(plan: Plan, jobs: int | None, address: str | None, ray: bool) -> pool.Finished[Cell, dict[str, Result]]:
    if address is not None and not ray:
        raise InvalidInput(f"unexpected argument '{address}'; an address is allowed with --ray only")
    work = partial(rollout, plan)
    if ray:
        return pool.ray(work, plan.cells(), address or "auto")
    return pool.local(work, plan.cells(), (os.cpu_count() or 1) if jobs is None else jobs)


def _collect(finished: pool.Finished[Cell, dict[str, Result]], plan: Plan) -> tuple[Results, BaseException | None]:
    """All results, and what kept it from the end: Ctrl-C, or an error."""
    results: dict[Cell, dict[str, Result]] = {}
    columns = (TextColumn("{task.description:<36}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with _ctrl_c() as pressed, Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("evaluating", total=len(plan.cells()))
            for cell, result in finished:
                results[cell] = result
                progress.update(bar, advance=1, description=" ".join(cell))
                if pressed.is_set():
                    return results, KeyboardInterrupt()
    except BaseException as problem:  # whatever it is, hours of finished work must not go with it
        return results, problem
    finally:
        finished.close()
    return results, None


@contextmanager
def _ctrl_c() -> Iterator[Event]:
    """Whether Ctrl-C was pressed; pressed again, it ends everything at once.

    Asked between cells, because an exception out of nowhere may fall where Python drops it (a finaliser, a callback).
    """
    pressed = Event()

    def first(*_: object) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, first)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, previous)


def _write(plan: Plan, results: Results, json_file: Path | None, csv_file: Path | None, plot: Path | None) -> None:
    made = rows(plan, results)
    if json_file == STANDARD_OUTPUT:
        print(to_json(made))
    elif json_file is not None:
        write_json(made, json_file)
    if csv_file is not None:
        write_csv(made, csv_file)
    if plot is not None and results:
        draw(summary(results), results, plan.warm_up, plot)


def _tell(console: Console, plan: Plan, results: Results, took_s: float) -> None:
    made, agents = rows(plan, results), summary(results)
    for row in made if len(made) > 1 else ():
        console.print(comparison(f"{row['device']}, {row['scenario']}", row["agents"]))
    if not agents:
        return
    where = f"{len(plan.devices)} devices x {len(plan.scenarios)} scenarios x {len(plan.networks)} networks"
    console.print(comparison(f"mean over {where} x {plan.seeds} seeds", agents))
    console.print(sureness(agents))
    console.print(beside_paper(agents, [name for name in (*HEADLINERS, *plan.policies) if name in agents]))
    judged = plan.queries - plan.warm_up
    console.print(LEGEND, highlight=False)
    console.print(
        f"{plan.queries} queries a run, the last {judged} judged; hidden sigma {plan.hidden_sigma:g}, "
        f"noise {'on' if plan.noisy else 'off'}; {took_s:.0f} s",
        highlight=False,
    )
