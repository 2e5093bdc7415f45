"""The command ``autoscale demo``."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from autoscale.agents.base import AGENTS
from autoscale.agents.policies import load_policy
from autoscale.errors import one_of
from autoscale.files import check_writable, write_file
from autoscale.profiles import load_device
from autoscale_runtime.backends.onnxruntime import onnx_runtime
from autoscale_runtime.backends.openvino import OpenVINO
from autoscale_runtime.demo.bundles import bundles_of
from autoscale_runtime.demo.day import day
from autoscale_runtime.demo.machine import Measured, co_runners, measured
from autoscale_runtime.demo.networks import NETWORKS, Network, fetch
from autoscale_runtime.demo.picture import draw, figure_type
from autoscale_runtime.demo.play import DemoPolicy, Step, StepResult, play, schedule
from autoscale_runtime.demo.recorded import RADIO, recorded_day
from autoscale_runtime.demo.stage import Stage
from autoscale_runtime.demo.summary import (
    CLAIRVOYANT,
    CLOUD,
    OURS,
    REFERENCE,
    STATIC,
    DayResult,
    day_result,
    to_json,
    to_network_table,
    to_table,
    where,
)
from autoscale_runtime.device.agent_choice import is_policy
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.models.bundle import Bundle

REFRESH_S: Final = 0.25
TIMEOUT_S: Final = 1.0
RECORDED: Final = 5
"""One query of the recorded day for so many of the made one."""


def demo(
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the results to this file.")] = None,
    picture: Annotated[Path, typer.Option(help="Where to write the picture.")] = Path("autoscale-demo.png"),
    agent: Annotated[
        str, typer.Option(help="Who decides for the policy 'autoscale': an agent's name, or a file of autoscale train.")
    ] = "corrector-ahead",
    power_table: Annotated[str, typer.Option(help="Device profile whose watts the modelled energy uses.")] = "mi8pro",
    queries: Annotated[int, typer.Option(min=6, help="How many queries each policy answers, in multiples of 6.")] = 120,
    network: Annotated[
        list[str] | None, typer.Option(help=f"Which network asks: {', '.join(NETWORKS)}; all, if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the day and of the agent.")] = 0,
) -> None:
    """Watch this machine decide, per query, where three real networks run.

    A server starts as a process of its own behind a shaped link. Fixed policies and AutoScale, which learns as it goes,
    then live side by side through a day of good link, weak link, outage and busy CPU, and through a shorter one that
    was recorded. What each network's best fixed choice would have been is known afterwards, and what a clairvoyant
    would have spent. Times are measured here; energy is those times at the watts of the named power table.

    Example: autoscale demo --json demo.json
    """
    if is_policy(agent):
        load_policy(agent)
    else:
        one_of("agent", agent, AGENTS.names())
    for each in network or ():
        one_of("network", each, NETWORKS)
    load_device(power_table)
    for path in (picture, json_file):
        if path is not None:
            check_writable(path)
    logging.getLogger("autoscale.session").addFilter(Once())
    onnx_runtime(), figure_type()  # minutes of work are not to be lost for want of them
    console = Console()
    options = SessionOptions(power_table=power_table, meters=("modelled",), timeout_s=TIMEOUT_S, seed=seed)
    networks = _networks(console, network or NETWORKS)
    with ExitStack() as close:
        folder, kept = (Path(close.enter_context(TemporaryDirectory(prefix="autoscale-demo-"))) for _ in range(2))
        stage = close.enter_context(Stage(_repository(networks, folder)))
        with console.status("measuring this machine"):
            machine = [measured(network, bundle, options, kept) for network, bundle in networks]
        policies = _policies(machine, agent)
        tasks, loads = [each.task for each in machine], co_runners(machine)
        _introduce(console, stage, machine, loads, power_table)
        made = _lived(console, policies, schedule(tasks, day(loads), queries // 6, seed), stage, options)
        console.print("\na shorter day as it was recorded: the link of a drive, the requests of a service")
        radio = RADIO if RADIO in load_device(power_table).radios else None
        steps = recorded_day(tasks, max(queries // RECORDED, len(tasks)), seed)
        recorded = _lived(console, policies, steps, stage, replace(options, radio=radio))
    method = f"latency measured; energy modelled: measured times x power table '{power_table}'; carbon modelled"
    setup_j = sum(each.setup_j for each in machine)
    _tell(console, made, recorded, setup_j, method)
    draw(made.days, OURS, picture)
    console.print(f"picture: {picture}", highlight=False)
    if json_file is not None:
        write_file(json_file, json.dumps(to_json(made, recorded, setup_j, method, tasks), indent=2))


class Once(logging.Filter):
    """Lets each message through once: the sessions of every policy find the same of the same target."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether nobody said it before."""
        is_new = record.getMessage() not in self._told
        self._told.add(record.getMessage())
        return is_new


def _networks(console: Console, names: Sequence[str]) -> list[tuple[Network, Bundle]]:
    with console.status("fetching the networks") as status:
        networks = [fetch(name, console.print) for name in names]
        return list(zip(networks, bundles_of(networks, status.update), strict=True))


def _repository(networks: Sequence[tuple[Network, Bundle]], folder: Path) -> Path:
    """The bundles as the server wants them: side by side."""
    for network, bundle in networks:
        shutil.copytree(bundle.variants[0].path.parent, folder / network.name)
    return folder


def _policies(machine: Sequence[Measured], agent: str) -> list[DemoPolicy]:
    """The fixed choices that may turn out the best, and AutoScale.

    They are the cloud, the CPU in fp32, and of the device's other targets the two that were cheapest for each network:
    what changes over the day makes the device's targets late or not, but hardly moves one past another.
    """
    names = [each.task.network.name for each in machine]
    reference = {each.task.network.name: each.reference for each in machine}
    others = [[t for t in each.cheapest if t != each.reference] or [each.reference] for each in machine]
    pinned = [{name: own[min(rank, len(own) - 1)] for name, own in zip(names, others, strict=True)} for rank in (0, 1)]
    return [
        DemoPolicy(REFERENCE, "pinned", "ONLY_ON_DEVICE", pinned=reference),
        *(DemoPolicy(f"device, choice {i}", "pinned", "ONLY_ON_DEVICE", pinned=p) for i, p in enumerate(pinned, 1)),
        DemoPolicy(CLOUD, CLOUD, hedge=False),
        DemoPolicy(OURS, agent),
    ]


def _introduce(console: Console, stage: Stage, machine: Sequence[Measured], loads: int, power_table: str) -> None:
    for network, bundle, goal in ((each.task.network, each.task.bundle, each.task.goal) for each in machine):
        right = ", ".join(f"{each.precision} {each.accuracy.value:.1%}" for each in bundle.variants if each.accuracy)
        macs = bundle.profile.macs / 1e9
        console.print(
            f"[bold]{network.name}[/] {network.title}, {macs:.2f} GMACs, from {network.wheel}", highlight=False
        )
        console.print(f"  right: {right}; limit {1e3 * goal.latency_s:.0f} ms", highlight=False)
    engines = "ONNX Runtime and OpenVINO"
    if not OpenVINO.is_available():
        engines = "ONNX Runtime alone (a second engine: pip install 'autoscale-inference[openvino]')"
    console.print(
        f"device: {len(stage.device_cores)} core(s) of this machine at the watts of power table '{power_table}' "
        f"(modelled), by {engines}; cloud: the other core(s), behind a shaped link; busy CPU: {loads} processes a core",
        markup=False,
        highlight=False,
    )


def _lived(
    console: Console, policies: Sequence[DemoPolicy], steps: list[Step], stage: Stage, options: SessionOptions
) -> DayResult:
    """One day of every policy."""
    days: dict[str, list[StepResult]] = {policy.name: [] for policy in policies}
    with _progress(console, len(steps)) as advance:

        def on_answer(name: str, answered: StepResult) -> None:
            days[name].append(answered)
            advance(name, len(days[name]), answered)

        efforts = play(policies, steps, stage, options, on_answer)
    return day_result(days, efforts[OURS])


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[str, int, StepResult], None]]:
    """A bar a policy, drawn between queries and not too often: the device's core has other things to do."""
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TextColumn("{task.fields[now]:<38}"),
    )
    progress = Progress(*columns, console=console, auto_refresh=False)
    bars: dict[str, TaskID] = {}
    drawn_s = 0.0

    def advance(name: str, done: int, answered: StepResult) -> None:
        nonlocal drawn_s
        if name not in bars:
            bars[name] = progress.add_task(name, total=total, now="")
        target = "lost" if answered.decision is None else str(answered.decision.selected)
        now = "" if done == total else f"{answered.step.phase.name}: {target}"
        progress.update(bars[name], completed=done, now=now)
        if done == total or time.monotonic() - drawn_s > REFRESH_S:
            progress.refresh()
            drawn_s = time.monotonic()

    with progress:
        yield advance


def _tell(console: Console, made: DayResult, recorded: DayResult, setup_j: float, method: str) -> None:
    console.print(to_table(made.rows))
    console.print(to_network_table(made))
    for network, target in sorted(made.static.items()):
        console.print(f"best fixed choice of {network}: {target}", highlight=False)
    for name, each in made.rows.items():
        console.print(f"{name:<16} ran on {where(each)}", highlight=False)
    console.print(f"\n{method}.", highlight=False)
    console.print(f"The made day: {_in_words(made)}.", highlight=False)
    console.print(f"The recorded day: {_in_words(recorded)}.", highlight=False)
    setup = f"Before either, getting to know this device's own targets took {setup_j:.1f} J, once"
    console.print(f"{setup}: sessions keep it in a file.", highlight=False)


def _in_words(day: DayResult) -> str:
    ours, static = day.rows[OURS], day.rows[STATIC]
    return (
        f"AutoScale has {ours.ppw:.2f}x the inferences per joule of {REFERENCE}, and {day.energy_over(STATIC):.2f} of "
        f"the energy of each network's best fixed choice in hindsight, of which a clairvoyant has "
        f"{day.energy_over(STATIC) / day.energy_over(CLAIRVOYANT):.2f}; late {ours.late_fraction:.1%}, the fixed "
        f"choice {static.late_fraction:.1%}; {ours.lost} lost. Getting to know the cloud took "
        f"{day.effort.warm_up_j:.1f} J of its {ours.energy_j_per_query * len(day.days[OURS]):.1f}"
    )
