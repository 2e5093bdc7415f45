"""How well a calibration foretells what it has not seen: ``python -m benchmarks.calibrate``.

Every network of ``benchmarks/calibration/zoo.py`` and every probe is timed on every target of this machine. Then, again
and again, some of the networks are taken for a user's models: the speeds are fitted to them and to the probes, and the
others' latencies are foretold from the profile, as ``autoscale forecast --device FILE`` does. Beside a co-runner the
runs are timed as they come, and foretold at the load that a session's sensor sees.

On a machine that is not idle, the runs go by that waited for no core; their count is told. With ``--real-time`` (root)
bursts go before all other work, and as much time is left to it after each.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscale.arrays import Floats
from autoscale.interval import Interval
from autoscale.prediction import Conditions, predictions
from autoscale.profiles.measured import MeasuredRow
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target
from autoscale_runtime.profiling.core_waits import TASKS
from autoscale_runtime.profiling.host_profile import host_profile
from autoscale_runtime.profiling.probes import PREFIX, write_probes
from autoscale_runtime.profiling.runs import DISTURBED, VISITS, Runs
from autoscale_runtime.profiling.speeds import fitted
from autoscale_runtime.profiling.subjects import Subject
from autoscale_runtime.sensors.load import LoadSensor
from benchmarks.calibration.zoo import write

SPLITS: Final = 12
SPIN: Final = "while True: pass"


@dataclass(frozen=True, slots=True)
class Timed:
    """One setting, undisturbed as far as that is sure or beside others, and what each burst of it says alone."""

    network: str
    target: Target
    latency_s: Interval
    is_sure: bool
    is_beside: bool
    load: float
    visits_s: tuple[float, ...]


@dataclass
class Lot:
    """The runs of a setting, all of them and by burst, and the load that each burst met."""

    runs: Runs
    bursts: list[Runs] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def visit(self, run: Callable[[], object], seconds: float) -> None:
        """A burst."""
        burst = Runs(self.runs.threads)
        burst.take(run, seconds)
        self.bursts.append(burst)
        self.runs.latency_s += burst.latency_s
        self.runs.waiting_s += burst.waiting_s

    def timed(self, network: str, target: Target, beside: bool) -> Timed:
        """What they come to; beside others as they come."""
        latency_s = Interval.exactly(float(np.median(self.runs.latency_s))) if beside else self.runs.interval()
        is_sure = beside or self.runs.how != DISTURBED
        each_s = tuple(burst.interval().mid for burst in self.bursts)
        return Timed(network, target, latency_s, is_sure, beside, float(np.mean(self.loads)), each_s)


def timed(subjects: Sequence[Subject], seconds: float, beside: bool = False, is_first: bool = False) -> list[Timed]:
    """Every setting of some models, in bursts that lie apart, as a calibration has them."""
    lots: dict[tuple[str, Target], Lot] = {}
    for subject in (each for _ in range(VISITS) for each in subjects):
        with subject.opened() as settings:
            for setting in settings:
                lot = lots.setdefault(setting.key, Lot(Runs(setting.target.threads or 0)))
                sensor = LoadSensor(window_s=60.0)
                sensor.read()
                with first_in_line() if is_first else nullcontext():
                    lot.visit(setting.run, seconds / VISITS)
                lot.loads.append(sensor.read().cpu_load or 0.0)
    return [lot.timed(*key, beside) for key, lot in lots.items()]


def foretold(
    known: Sequence[Timed], asked: Sequence[Timed], networks: Mapping[str, ModelProfile], fits: bool = True
) -> list[Interval]:
    """What a profile that was made of some settings says of others."""
    rows = [
        MeasuredRow(each.network, each.target, each.latency_s, source="here" if each.is_sure else DISTURBED)
        for each in known
        if each.is_sure or not each.network.startswith(PREFIX)
    ]
    device = host_profile("here", None, ())
    device = fitted(device, rows, networks) if fits else device
    device = replace(device, measured=tuple(rows), networks={row.network: networks[row.network] for row in rows})
    found = []
    for each in asked:
        met = Conditions(cpu_load=each.load if each.is_beside else 0.0)
        costs = predictions(device, networks[each.network], (), "threads", met)
        found.append(next(cost.latency_s for cost in costs if cost.target == each.target))
    return found


def errors(told: Sequence[Interval], asked: Sequence[Timed]) -> Floats:
    """Foretold over measured, less one."""
    return np.array([one.mid / other.latency_s.mid - 1.0 for one, other in zip(told, asked, strict=True)])


@contextmanager
def first_in_line() -> Iterator[None]:
    """Threads of this process run before all others; then those have as much time."""

    def schedule(policy: int, priority: int) -> None:
        for thread in TASKS.iterdir():
            with suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))

    began_s = time.monotonic()
    schedule(os.SCHED_FIFO, 1)
    try:
        yield
    finally:
        schedule(os.SCHED_OTHER, 0)
        time.sleep(time.monotonic() - began_s)


@contextmanager
def co_runner(count: int) -> Iterator[None]:
    """Programs beside that take a core each."""
    beside = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        time.sleep(1.0)
        yield
    finally:
        for each in beside:
            each.kill()
            each.wait()


def splits(names: Sequence[str], models: int, seed: int = 0) -> Iterator[list[str]]:
    """Some of the names, again and again."""
    rng = np.random.default_rng(seed)
    for _ in range(SPLITS):
        yield sorted(rng.choice(names, models, replace=False).tolist())


def study(quiet: Sequence[Timed], asked: Sequence[Timed], networks: Mapping[str, ModelProfile], models: int) -> Floats:
    """Errors on networks that were not among the calibration's, over many choices of those."""
    probes = {each.network for each in quiet if each.network.startswith(PREFIX)}
    names = sorted({each.network for each in quiet} - probes)
    found, inside = [], []
    for chosen in splits(names, models):
        known = [each for each in quiet if each.network in chosen or each.network.startswith(PREFIX)]
        left = [each for each in asked if each.is_sure and each.network not in [*chosen, *probes]]
        told = foretold(known, left, networks)
        found.append(errors(told, left))
        inside += [one.low <= each.latency_s.mid <= one.high for one, each in zip(told, left, strict=True)]
    print(f"inside low-high: {np.mean(inside):.0%}", file=sys.stderr)
    return np.concatenate(found)


def left_out_threads(quiet: Sequence[Timed], networks: Mapping[str, ModelProfile], threads: int) -> Floats:
    """Errors on a thread count at which only the probes were timed."""
    own = [each for each in quiet if not each.network.startswith(PREFIX)]
    left = [each for each in own if each.target.threads == threads and each.is_sure]
    known = [each for each in quiet if each not in left]
    return errors(foretold(known, left, networks), left)


def again(quiet: Sequence[Timed]) -> Floats:
    """How far the first two bursts of each setting lie apart: no forecast can be seen to be closer than that."""
    return np.array([each.visits_s[0] / each.visits_s[1] - 1.0 for each in quiet if each.is_sure])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=4, help="how many of the zoo are a user's")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each setting")
    parser.add_argument("--co-runners", type=int, default=1, help="programs beside, a core each")
    parser.add_argument("--real-time", action="store_true", help="the quiet runs go before all other work; needs root")
    parser.add_argument("--json", type=Path, help="also write what was timed")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        paths = [*write(Path(folder)), *write_probes(Path(folder), "fp32")]
        subjects = [Subject(path, {}) for path in paths]
        networks = {each.name: each.bundle.profile for each in subjects}
        quiet = timed(subjects, options.seconds, is_first=options.real_time)
        with co_runner(options.co_runners):
            own = [each for each in subjects if not each.name.startswith(PREFIX)]
            beside = timed(own, options.seconds, beside=True)
    report(quiet, beside, networks, options.models)
    if options.json:
        lots = {"quiet": quiet, "beside": beside}
        plain = {
            name: [[each.network, str(each.target), each.latency_s.mid, each.is_sure, each.load] for each in lot]
            for name, lot in lots.items()
        }
        options.json.write_text(json.dumps(plain))


def report(quiet: list[Timed], beside: list[Timed], networks: Mapping[str, ModelProfile], models: int) -> None:
    """The medians, and on what they rest."""
    found = {
        "the same measured again, a third of the runs each": again(quiet),
        f"networks left out ({models} of a user's, and the probes)": study(quiet, quiet, networks, models),
        **{
            f"{threads} threads left out, of every network": left_out_threads(quiet, networks, threads)
            for threads in sorted({each.target.threads or 0 for each in quiet})
        },
        "networks left out, beside a co-runner": study(quiet, beside, networks, models),
    }
    table = Table("what", "median error", "90th percentile", "settings", title="latency foretold over measured")
    for what, off in found.items():
        sizes = np.abs(off)
        table.add_row(what, f"{np.median(sizes):.1%}", f"{np.quantile(sizes, 0.9):.1%}", str(off.size))
    Console(width=130).print(table)
    few = sum(not each.is_sure for each in quiet)
    loads = np.median([each.load for each in quiet]), np.median([each.load for each in beside])
    print(f"{few} of {len(quiet)} settings were disturbed all the while, and are not asked for")
    print(f"others took {loads[0]:.0%} of the cores, beside the co-runner {loads[1]:.0%}")


if __name__ == "__main__":
    main()
