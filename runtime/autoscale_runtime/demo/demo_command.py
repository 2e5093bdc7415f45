"""The command ``autoscale demo``."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from autoscale.agents.base import AGENTS
from autoscale.agents.policies import load_policy
from autoscale.errors import one_of
from autoscale.files import atomic_write
from autoscale.profiles import load_device
from autoscale.query.goal import Goal
from autoscale_runtime.backends.onnxruntime import onnx_runtime
from autoscale_runtime.demo.bundles import bundle_of
from autoscale_runtime.demo.day import day, heavy_co_runners
from autoscale_runtime.demo.networks import fetch
from autoscale_runtime.demo.picture import draw, figure_type
from autoscale_runtime.demo.play import DemoPolicy, Effort, Step, StepResult, Task, play, schedule
from autoscale_runtime.demo.stage import Stage
from autoscale_runtime.demo.summary import PolicySummary, row, to_json, to_table, where
from autoscale_runtime.device.agent_choice import is_policy
from autoscale_runtime.session import Session, SessionOptions

GOALS: Final = {"file-type": Goal(latency_s=0.050), "text-line": Goal(latency_s=0.100)}
"""The paper's limits: 50 ms for non-streaming vision, 100 ms for translation, which reading a line begins."""

REFERENCE: Final = "device-cpu-fp32"
OURS: Final = "autoscale"
REFRESH_S: Final = 0.25
TIMEOUT_S: Final = 1.0


def demo(
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the results to this file.")] = None,
    picture: Annotated[Path, typer.Option(help="Where to write the picture.")] = Path("autoscale-demo.png"),
    agent: Annotated[
        str, typer.Option(help="Who decides for the policy 'autoscale': an agent's name, or a file of autoscale train.")
    ] = "corrector",
    power_table: Annotated[str, typer.Option(help="Device profile whose watts the modelled energy uses.")] = "mi8pro",
    queries: Annotated[int, typer.Option(min=6, help="How many queries each policy answers, in whole sixths.")] = 360,
    seed: Annotated[int, typer.Option(help="Of the day and of the agent.")] = 0,
) -> None:
    """Watch this machine decide, per query, where two real networks run.

    A server starts as a process of its own behind a shaped link. Four policies then live through the same day of good
    link, weak link, outage and busy CPU: the device's CPU in fp32, the cloud, the best fixed choice on the device, and
    AutoScale, which learns as it goes. Times are measured here; energy is those times at the watts of the named power
    table. The first run fetches and prepares the networks (30 s); about two minutes in all.

    Example: autoscale demo --json demo.json
    """
    if is_policy(agent):
        load_policy(agent)
    else:
        one_of("agent", agent, AGENTS.names())
    load_device(power_table)
    _check_paths(picture, json_file)
    onnx_runtime(), figure_type()  # two minutes of work are not to be lost for want of them
    console = Console()
    options = SessionOptions(power_table=power_table, meters=("modelled",), timeout_s=TIMEOUT_S, seed=seed)
    policies = [
        DemoPolicy(REFERENCE, "device-cpu-fp32", "ONLY_ON_DEVICE"),
        DemoPolicy("cloud", "cloud", hedge=False),
        DemoPolicy("device-best", "device-best", "ONLY_ON_DEVICE"),
        DemoPolicy(OURS, agent),
    ]
    tasks = _tasks(console)
    with TemporaryDirectory(prefix="autoscale-demo-") as folder, Stage(_repository(tasks, Path(folder))) as stage:
        co_runners = _co_runners(tasks, options)
        steps = schedule(tasks, day(co_runners), queries // 6, seed)
        _introduce(console, stage, co_runners, power_table)
        days, efforts = _play_all(console, policies, steps, stage, options)
    rows = _rows(days, efforts)
    method = f"latency measured; energy modelled: measured times x power table '{power_table}'; carbon modelled"
    _tell(console, rows, method, days, picture)
    if json_file is not None:
        with atomic_write(json_file) as file:
            file.write(json.dumps(to_json(rows, len(steps), method, efforts[OURS]), indent=2).encode())


def _check_paths(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and path.is_dir():
            raise IsADirectoryError(f"cannot write '{path}': it is a folder")
        if path is not None and not path.parent.is_dir():
            raise FileNotFoundError(f"cannot write '{path}': the folder '{path.parent}' does not exist")


def _tasks(console: Console) -> list[Task]:
    tasks = []
    with console.status("fetching the networks") as status:

        def step(text: str) -> None:
            status.update(text)

        for name, goal in GOALS.items():
            network = fetch(name, console.print)
            tasks.append(Task(network, bundle_of(network, step), goal))
    for task in tasks:
        precisions = ", ".join(
            f"{each.precision} {each.accuracy.value:.1%}" for each in task.bundle.variants if each.accuracy
        )
        console.print(f"[bold]{task.network.name}[/] {task.network.title}, from {task.network.wheel}", highlight=False)
        console.print(f"  right: {precisions}; limit {1e3 * task.goal.latency_s:.0f} ms", highlight=False)
    return tasks


def _repository(tasks: list[Task], folder: Path) -> Path:
    """The bundles as the server wants them: side by side."""
    for task in tasks:
        shutil.copytree(task.bundle.variants[0].path.parent, folder / task.network.name)
    return folder


def _co_runners(tasks: list[Task], options: SessionOptions) -> int:
    """Enough to make the slowest network late on the device's best target."""
    slowest = tasks[-1]
    return heavy_co_runners(_best_latency_s(slowest, options), slowest.goal.latency_s)


def _best_latency_s(task: Task, options: SessionOptions) -> float:
    with Session(task.bundle, task.goal, mode="ONLY_ON_DEVICE", options=options) as session:
        session.warm_up(task.network.samples(1, options.seed)[0].feeds)
        return min(outcome.latency_s for _, outcome in session.calibration.lessons)


def _introduce(console: Console, stage: Stage, co_runners: int, power_table: str) -> None:
    console.print(
        f"device: {len(stage.device_cores)} core(s) of this machine at the watts of power table '{power_table}' "
        f"(modelled); cloud: the other core(s), behind a shaped link; busy CPU: {co_runners} processes a core",
        highlight=False,
    )


def _play_all(
    console: Console, policies: list[DemoPolicy], steps: list[Step], stage: Stage, options: SessionOptions
) -> tuple[dict[str, list[StepResult]], dict[str, Effort]]:
    days: dict[str, list[StepResult]] = {}
    efforts: dict[str, Effort] = {}
    with _progress(console, len(steps)) as advance:
        for policy in policies:
            answers: list[StepResult] = []
            days[policy.name] = answers

            def on_answer(answered: StepResult, answers: list[StepResult] = answers, name: str = policy.name) -> None:
                answers.append(answered)
                advance(name, len(answers), answered)

            efforts[policy.name] = play(policy, steps, stage, options, on_answer)
    return days, efforts


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[str, int, StepResult], None]]:
    """A bar a policy, drawn between queries and not too often: the device's core has other things to do."""
    columns = (
        TextColumn("{task.description:<15}"),
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
        if done == total or time.monotonic() - drawn_s > REFRESH_S:
            target = "lost" if answered.decision is None else str(answered.decision.selected)
            now = "" if done == total else f"{answered.step.phase.name}: {target}"
            progress.update(bars[name], completed=done, now=now)
            progress.refresh()
            drawn_s = time.monotonic()

    with progress:
        yield advance


def _rows(days: Mapping[str, list[StepResult]], efforts: Mapping[str, Effort]) -> dict[str, PolicySummary]:
    reference = row(days[REFERENCE], 0.0, None)
    return {
        name: reference if name == REFERENCE else row(answers, efforts[OURS].warm_up_j * (name == OURS), reference)
        for name, answers in days.items()
    }


def _tell(
    console: Console,
    rows: Mapping[str, PolicySummary],
    method: str,
    days: Mapping[str, list[StepResult]],
    picture: Path,
) -> None:
    console.print(to_table(rows))
    for name, each in rows.items():
        console.print(f"{name:<16} ran on {where(each)}", highlight=False)
    console.print()
    ours, fixed = rows[OURS], {name: each for name, each in rows.items() if name != OURS}
    best = max(fixed, key=lambda name: fixed[name].ppw)
    console.print(
        f"{method}. AutoScale's energy includes what it spent on learning.\n"
        f"AutoScale: {ours.ppw:.2f}x the inferences per joule of {REFERENCE}, {ours.ppw / fixed[best].ppw:.2f}x those "
        f"of the best fixed policy in hindsight ({best}); late {ours.late_fraction:.1%}, the fixed ones "
        f"{min(each.late_fraction for each in fixed.values()):.1%} or more; {ours.lost} lost.",
        highlight=False,
    )
    draw(days, OURS, picture)
    console.print(f"picture: {picture}", highlight=False)
