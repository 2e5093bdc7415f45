"""Measures models on every target of this device, and writes its profile, which is whole at every moment."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from autoscale.errors import AutoScaleError, MissingExtra, ModelError
from autoscale.profiles import DeviceProfile
from autoscale.profiles.measured import MeasuredRow
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target
from autoscale_runtime.backends.engines import format_of
from autoscale_runtime.models.example_feeds import check_shapes
from autoscale_runtime.models.inspection.inputs import Shape
from autoscale_runtime.profiling.guard import Guard
from autoscale_runtime.profiling.host_profile import host_profile
from autoscale_runtime.profiling.joules import Joules, Spent
from autoscale_runtime.profiling.link_files import MeasuredLink, measure_links
from autoscale_runtime.profiling.probes import PREFIX, write_probes
from autoscale_runtime.profiling.profile_file import is_row_of, row_of, rows_of, write
from autoscale_runtime.profiling.runs import DISTURBED, VISITS, Runs
from autoscale_runtime.profiling.speeds import fitted
from autoscale_runtime.profiling.subjects import Setting, Subject, check_names

SHORTEST_S: Final = 0.1
LONGEST_S: Final = 1.0
"""A burst of one setting's runs."""

TARGETS: Final = 6
"""About as many settings as a model has, to share the time by before they are known."""

Key = tuple[str, Target]
Tell = Callable[[str, int, int], None]
"""Called with what is measured now, how many models are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for.

    Attributes:
        models: files or bundles.
        out: the profile.
        shapes: input name to shape, where inputs have open dimensions.
        seconds: about how long it may measure.
        like: the device whose watts and making stand in for what is not measured; None for a usual one's, as defaults.
        has_probes: whether small networks of its own are measured too.
        resumes: whether rows of an earlier run are kept: all but those of a model that is given and has changed.
        remotes: link to ``host:port`` of the server that it leads to.
    """

    models: Sequence[Path]
    out: Path
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    seconds: float = 60.0
    like: str | None = None
    has_probes: bool = True
    resumes: bool = False
    remotes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Found:
    """What came of it.

    Attributes:
        device: the profile as it was written.
        left_out: what has no row, ``network target`` or ``network`` to the reason.
        disturbed: settings beside which others ran all the while.
        stopped: why it ended before its time; empty where it did not.
        kept: how many rows are of an earlier run.
        waited_s: how long it gave way to others.
        notes: what else is to be told.
        links: those that were measured.
    """

    device: DeviceProfile | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    disturbed: list[str] = field(default_factory=list)
    stopped: str = ""
    kept: int = 0
    waited_s: float = 0.0
    notes: list[str] = field(default_factory=list)
    links: dict[str, MeasuredLink] = field(default_factory=dict)


class Calibration:
    """One calibration.

    Args:
        plan: what is asked for.
        guard: says when to wait, and when to stop.
        joules: the meter; None where none is here.
        tell: of progress.
    """

    def __init__(self, plan: Plan, guard: Guard, joules: Joules | None, tell: Tell) -> None:
        self._plan, self._guard, self._joules, self._tell = plan, guard, joules, tell
        self._rows: dict[Key, MeasuredRow] = {}
        self._runs: dict[Key, Runs] = {}
        self._spent: dict[Key, Spent | None] = {}
        self._networks: dict[str, ModelProfile] = {}
        self._done: set[str] = set()
        self._found = Found()

    def make(self) -> Found:
        """Measure and write; what was interrupted is kept, and marked.

        Raises:
            AutoScaleError: a model that cannot be read, a profile to go on with that is none of this machine's, or
                nothing that can be run.
        """
        subjects = [Subject(path, self._plan.shapes) for path in self._plan.models]
        check_names(subjects, self._plan.models)
        check_shapes(self._plan.shapes, [each.bundle.inputs for each in subjects])
        self._device = host_profile(self._plan.out.stem, self._plan.like, ())
        with TemporaryDirectory(prefix="autoscale-") as folder:
            subjects += self._probes(Path(folder), subjects)
            self._keep(subjects)
            self._measure_all(subjects)
            self._measure_links(subjects)
        return self._finished(len(subjects))

    def _keep(self, subjects: Sequence[Subject]) -> None:
        """Take over what an earlier run measured, of models that are not given now too."""
        earlier, networks = rows_of(self._plan.out) if self._plan.resumes else ((), {})
        digests = {each.name: each.digests for each in subjects}
        rows = [row for row in earlier if row.network not in digests or is_row_of(row, digests[row.network].values())]
        self._networks.update(networks)
        self._rows = {(row.network, row.target): row for row in rows}
        self._earlier, self._found.kept = frozenset(self._rows), len(rows)
        for row in rows:
            self._meet(row.target.processor)
        others = [row.network for row in rows if row.network not in digests]
        if others:
            names = ", ".join(dict.fromkeys(each for each in others if not each.startswith(PREFIX))) or "probes"
            self._found.notes.append(f"{len(others)} of the rows kept are of what was not measured this time: {names}")

    def _probes(self, folder: Path, subjects: Sequence[Subject]) -> list[Subject]:
        """Where ONNX files are run here, in the precisions that these have."""
        onnx = [v.precision for each in subjects for v in each.bundle.variants if format_of(v.path) == ".onnx"]
        try:
            paths = [path for each in dict.fromkeys(onnx) for path in write_probes(folder, each)]
        except MissingExtra as error:
            self._found.notes.append(f"other networks cannot be foretold: {error}")
            return []
        return [Subject(path, {}) for path in paths] if self._plan.has_probes else []

    def _measure_all(self, subjects: Sequence[Subject]) -> None:
        until_s = time.monotonic() + self._plan.seconds
        share_s = min(max(self._plan.seconds / (VISITS * TARGETS * len(subjects)), SHORTEST_S), LONGEST_S)
        if self._joules is not None:
            self._joules.rest()
        pending, visits = list(subjects), 0
        while pending and not self._found.stopped and (visits < VISITS or time.monotonic() < until_s):
            visits += 1
            pending = [each for each in pending if not self._measure(each, share_s, visits, len(subjects))]

    def _measure_links(self, subjects: Sequence[Subject]) -> None:
        """The links, once the models are done."""
        found = self._found
        found.stopped = found.stopped or (self._guard.why_stop() if self._plan.remotes else "")
        if found.stopped:
            found.left_out |= {f"link {name}": found.stopped for name in self._plan.remotes}
            return
        own = [each for each in subjects if not each.name.startswith(PREFIX)]
        queries = {name: each.feeds for each in own for name in each.served_names}
        found.links, left_out = measure_links(self._plan.out, self._plan.remotes, queries)
        found.left_out |= left_out

    def _measure(self, subject: Subject, share_s: float, visits: int, count: int) -> bool:
        """A burst of each of its settings; whether more would tell nothing new."""
        self._tell(subject.name, len(self._done), count)
        self._networks[subject.name] = subject.bundle.profile
        try:
            with subject.opened() as settings:
                is_over = all([self._burst(each, share_s, count) for each in settings])
        except AutoScaleError as error:
            self._found.left_out[subject.name] = str(error)
            return True
        self._found.left_out |= {f"{subject.name} {target}": why for target, why in subject.left_out.items()}
        if not self._found.stopped and (is_over or visits >= VISITS):
            self._done.add(subject.name)
            self._write(count)
        return is_over

    def _burst(self, setting: Setting, share_s: float, count: int) -> bool:
        """Runs of one setting; whether it has enough."""
        if setting.key in self._earlier:
            return True
        self._meet(setting.target.processor)
        runs = self._runs.setdefault(setting.key, Runs(setting.target.threads or 0))
        self._found.stopped = self._found.stopped or self._guard.why_stop()
        if runs.is_enough or self._found.stopped:
            return True
        self._found.waited_s += self._guard.give_way(share_s)
        try:
            runs.take(setting.run, share_s)
            if self._joules is not None and setting.key not in self._spent and not setting.network.startswith(PREFIX):
                self._spent[setting.key] = self._joules.spent(setting.run)
        except AutoScaleError as error:
            self._found.left_out[f"{setting.network} {setting.target}"] = str(error)
            return True
        if runs.gap:
            return runs.is_enough
        spent = self._spent.get(setting.key)
        self._rows[setting.key] = row_of(setting, runs, *(() if spent is None else (spent.energy_j, spent.scope)))
        self._write(count)
        return runs.is_enough

    def _meet(self, kind: str) -> None:
        """Have a processor in the profile that nobody knew of before."""
        if kind not in self._device.processors:
            self._device = host_profile(self._plan.out.stem, self._plan.like, [*self._device.processors, kind])

    def _finished(self, count: int) -> Found:
        """The last profile, with the speeds that explain its rows."""
        found = self._found
        gaps = {f"{key[0]} {key[1]}": runs.gap for key, runs in self._runs.items() if runs.visits and runs.gap}
        found.left_out = gaps | found.left_out
        if not self._has_own():
            if found.stopped:
                return found
            what, why = next(iter(found.left_out.items()), ("nothing", "no engine reads it"))
            raise ModelError(f"no model can be measured here; {what}: {why}")
        found.disturbed = [
            f"{network} {target}"
            for (network, target), runs in self._runs.items()
            if not runs.gap and runs.how == DISTURBED
        ]
        device = fitted(self._device, [*self._rows.values()], self._networks)
        missing = self._missing(count) if found.stopped else ""
        found.device = write(self._plan.out, device, self._kept(), self._known(), missing)
        return found

    def _write(self, count: int) -> None:
        """What there is so far, marked."""
        if not self._has_own():
            return
        write(self._plan.out, self._device, self._kept(), self._known(), self._missing(count))

    def _missing(self, count: int) -> str:
        reason = f"; {self._found.stopped}" if self._found.stopped else ""
        return f"{len(self._done)} of {count} models measured{reason}; 'autoscale calibrate --resume' goes on"

    def _has_own(self) -> bool:
        """Whether there is a row of a model of the user's; the probes' alone are no calibration."""
        return any(not row.network.startswith(PREFIX) for row in self._rows.values())

    def _kept(self) -> list[MeasuredRow]:
        """What the profile holds: a probe that was disturbed all the while would only mislead."""
        return [row for row in self._rows.values() if not (row.network.startswith(PREFIX) and DISTURBED in row.source)]

    def _known(self) -> dict[str, ModelProfile]:
        """The networks of rows, as far as their layers are counted."""
        names = {row.network for row in self._kept()}
        return {name: each for name, each in self._networks.items() if name in names and each.is_counted}
