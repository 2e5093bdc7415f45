"""The paper's fixed baselines: one rule, chosen once for each network, that never learns."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.arrays import Indices
from autoscale.errors import InvalidTarget, PolicyError
from autoscale.query.context import Context
from autoscale.query.target import PROCESSORS, Target


class Fixed(Agent):
    """Sends every query of a network to one target, among those of the baseline's kind.

    Where none of its kind is admitted (a closed link, a mode) it takes the best of the admitted ones.

    Raises:
        InvalidTarget: none of the targets is of its kind.
    """

    kind: ClassVar[str]
    place: ClassVar[str] = ""
    """Of its targets, where that is all there is to its kind."""
    is_fixed = True

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self._own = np.array([i for i, target in enumerate(targets) if self.wants(target)], dtype=np.intp)
        if self._own.size == 0:
            raise InvalidTarget(f"agent '{self.name}' needs {self.kind} among {[str(t) for t in targets]}")
        self._chosen: dict[str, int] = {}

    @classmethod
    def wants(cls, target: Target) -> bool:
        """Whether the target is of this baseline's kind: in its place, in one piece."""
        return target.place == cls.place and target.cut is None

    def select(self, context: Context) -> Choice:
        """The network's target; the best admitted one where that is not admitted."""
        index = self._chosen.get(context.model.name)
        if index is None:
            index = self._chosen[context.model.name] = self.rank(context, self._own)
        if index not in context.admitted:
            own = np.intersect1d(self._own, context.admitted)
            index = self.rank(context, own) if own.size else self.best(context, context.admitted)
        return Choice(index, 1.0)

    def state(self) -> Arrays:
        """The target chosen for each network."""
        networks = np.array([*self._chosen], dtype=np.str_)
        return {"networks": networks, "chosen": np.array([*self._chosen.values()], dtype=np.intp)}

    def restore(self, state: Arrays) -> None:
        """Take the choices back.

        Raises:
            PolicyError: they are missing, or targets it may not choose.
        """
        if state.keys() != {"networks", "chosen"} or not np.isin(state["chosen"], self._own).all():
            raise PolicyError(f"agent '{self.name}' needs its choices for each network, but the policy lacks them")
        self._chosen = dict(zip(state["networks"].tolist(), state["chosen"].tolist(), strict=True))

    def rank(self, context: Context, candidates: Indices) -> int:
        """The candidate of its kind that the baseline stands for."""
        return self.best(context, candidates)

    def best(self, context: Context, candidates: Indices) -> int:
        """The best candidate by the world's forecast; by the highest setting where it has none."""
        if context.forecast is not None:
            return context.forecast.best(context.goal, candidates)
        return self.highest(candidates)

    def fastest(self, context: Context, candidates: Indices) -> int:
        """The candidate of the least expected latency; of the highest setting where nothing is expected."""
        latency_s = None if context.forecast is None else context.forecast.latency_s[candidates]
        if latency_s is None or np.isnan(latency_s).all():
            return self.highest(candidates)
        return int(candidates[np.nanargmin(latency_s)])

    def highest(self, candidates: Indices) -> int:
        """See ``highest_setting``."""
        return highest_setting(self.targets, candidates.tolist())


def highest_setting(targets: Sequence[Target], candidates: Sequence[int]) -> int:
    """The candidate with the highest frequency or the most threads, in the engine that ships where that is one."""

    def height(index: int) -> tuple[bool, int, int]:
        target = targets[index]
        return not target.engine, target.frequency_hz or 0, target.threads or 0

    return max(candidates, key=height)


class DeviceCpuFp32(Fixed):
    """The paper's "Edge (CPU FP32)": the CPU in fp32 at its highest setting, whatever happens."""

    name = "device-cpu-fp32"
    kind = "a device:cpu/fp32 target"

    @classmethod
    def wants(cls, target: Target) -> bool:
        """Whether it is this device's CPU in fp32."""
        return (target.place, target.processor, target.precision, target.cut) == ("device", "cpu", "fp32", None)

    def rank(self, context: Context, candidates: Indices) -> int:
        """The highest setting, by definition."""
        return self.highest(candidates)


class DeviceBest(Fixed):
    """The paper's "Edge (Best)": the on-device target with the best forecast."""

    name = "device-best"
    kind = "a device target"
    place = "device"


class StaticOrder(Fixed):
    """What people do by hand: the NPU where there is one, else the GPU, else the CPU, in its fastest variant."""

    name = "npu-gpu-cpu"
    kind = "a device target"
    place = "device"

    def rank(self, context: Context, candidates: Indices) -> int:
        """The fastest, by the world's forecast, of the first processor of that order."""
        processors = [PROCESSORS.index(self.targets[each].processor) for each in candidates]
        return self.fastest(context, candidates[np.array(processors) == max(processors)])


class Fastest(Fixed):
    """What runtimes do that are asked for speed: the target that is expected to answer first, wherever it is."""

    name = "fastest"
    kind = "a target"

    @classmethod
    def wants(cls, target: Target) -> bool:
        """All are."""
        return True

    def rank(self, context: Context, candidates: Indices) -> int:
        """The fastest, by the world's forecast."""
        return self.fastest(context, candidates)


class ConnectedEdge(Fixed):
    """The paper's "Connected Edge": a nearby device."""

    name = "connected-edge"
    kind = "an edge target"
    place = "edge"


class Pinned(Agent):
    """The first of its targets, always; for a caller who has made the choice."""

    name = "pinned"
    is_fixed = True

    def select(self, context: Context) -> Choice:
        """The first target."""
        return Choice(0, 1.0)


class Cloud(Fixed):
    """The paper's "Cloud"."""

    name = "cloud"
    kind = "a cloud target"
    place = "cloud"
