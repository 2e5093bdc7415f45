"""An engine at the CPU's frequency steps too: each is a target, as in ``device:cpu/fp32@1400MHz``, on all its cores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Final

from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Backend, Runner
from autoscale_runtime.backends.tensors import Feeds, TensorSpec
from autoscale_runtime.host.cpu_frequency import CpuFrequency

_TURN: Final = RLock()
"""The frequency is the whole machine's: one query at a time holds one."""


class Stepped(Backend):
    """Another engine's targets, and beside them its CPU at each step that this host permits.

    >>> options = SessionOptions(backends={"onnxruntime": Stepped(OnnxRuntime())})  # doctest: +SKIP

    A step is held while a query runs at it, one query at a time, and all else on this machine runs at it meanwhile.

    Args:
        engine: whose files and answers these are.
        frequency: how steps are set; None for this host's.
    """

    def __init__(self, engine: Backend, frequency: CpuFrequency | None = None) -> None:
        self.engine = engine
        self.frequency = CpuFrequency() if frequency is None else frequency
        self.name, self.suffixes, self.platform = engine.name, engine.suffixes, engine.platform  # type: ignore[misc]
        self.inspector, self.may_kill = engine.inspector, engine.may_kill  # type: ignore[misc]
        self.is_simulator, self.package, self.extra = engine.is_simulator, engine.package, engine.extra  # type: ignore[misc]

    def is_available(self) -> bool:  # type: ignore[override]
        """As the engine says."""
        return self.engine.is_available()

    def targets(self, precision: str) -> list[Target]:
        """The engine's own, which run at whatever frequency the system gives, and the steps below the highest."""
        own = self.engine.targets(precision)
        if self.frequency.why_unavailable() is not None or not any(each.processor == "cpu" for each in own):
            return own
        steps = [Target("device", "cpu", precision, frequency_hz=each) for each in self.frequency.steps_hz()[:-1]]
        return [*own, *steps]

    def suffix_of(self, head: bytes) -> str:
        """As the engine says."""
        return self.engine.suffix_of(head)

    def data_files(self, path: Path) -> list[str]:
        """As the engine says."""
        return self.engine.data_files(path)

    def precision_of(self, path: Path) -> str:
        """As the engine says."""
        return self.engine.precision_of(path)

    def keeps_state(self, path: Path) -> bool:
        """As the engine says."""
        return self.engine.keeps_state(path)

    def load(self, path: Path, target: Target) -> Runner:
        """The engine's runner; of a step one that holds it."""
        if target.frequency_hz is None:
            return self.engine.load(path, target)
        runner = self.engine.load(path, replace(target, frequency_hz=None))
        return SteppedRunner(runner, self.frequency, target.frequency_hz)


class SteppedRunner(Runner):
    """A model that runs at one frequency.

    Args:
        runner: on all cores.
        frequency: how it is set.
        step_hz: to what.
    """

    def __init__(self, runner: Runner, frequency: CpuFrequency, step_hz: int) -> None:
        self.inputs, self.outputs, self.coverage = runner.inputs, runner.outputs, runner.coverage
        self._runner, self._frequency, self._step_hz = runner, frequency, step_hz

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query at that step.

        Raises:
            InvalidInput: another process holds a step, or this host no longer permits any.
        """
        with _TURN, self._frequency.held(self._step_hz):
            return self._runner.run(output_names, feeds, timeout_s)

    def is_random(self) -> bool:
        """As the runner says."""
        return self._runner.is_random()

    def fit(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        """As the runner does."""
        self._runner.fit(inputs, outputs)

    def reset(self) -> None:
        """As the runner does."""
        self._runner.reset()

    def close(self) -> None:
        """As the runner does."""
        self._runner.close()
