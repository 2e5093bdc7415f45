"""What a query must achieve: objective, latency limit, accuracy floor, and where it may go."""

import math
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType
from typing import Final

from autoscale.errors import InvalidGoal, check_type, one_of
from autoscale.query.target import Target

OBJECTIVES: Final = ("energy", "carbon", "latency")


class InferenceMode(StrEnum):
    """Where a query may run: the four names of Firebase hybrid inference, and ``AUTO``.

    The ``ONLY_`` modes never fall back to the other side; ``ONLY_ON_DEVICE`` never sends a byte.
    """

    AUTO = "AUTO"
    PREFER_ON_DEVICE = "PREFER_ON_DEVICE"
    ONLY_ON_DEVICE = "ONLY_ON_DEVICE"
    PREFER_IN_CLOUD = "PREFER_IN_CLOUD"
    ONLY_IN_CLOUD = "ONLY_IN_CLOUD"

    @property
    def may_fall_back(self) -> bool:
        """Whether a failed target may be replaced by one the mode would not have chosen first."""
        return self not in (InferenceMode.ONLY_ON_DEVICE, InferenceMode.ONLY_IN_CLOUD)

    def prefers(self, target: Target) -> bool:
        """Whether the agent may choose ``target`` under this mode (falling back is another matter)."""
        if self is InferenceMode.AUTO:
            return True
        wants_device = self in (InferenceMode.ONLY_ON_DEVICE, InferenceMode.PREFER_ON_DEVICE)
        return wants_device != target.is_remote


@dataclass(frozen=True, slots=True)
class Goal:
    """What counts as a good answer.

    Attributes:
        objective: what to spend least of, among the targets that meet the limits: ``energy``, ``carbon``
            or ``latency``.
        latency_s: the latest an answer is of use (QoS); infinite for no limit. The default, 50 ms, is the
            paper's non-streaming vision.
        min_accuracy: the lowest acceptable accuracy as a fraction, or None for no floor.
        mode: where the query may run.
        on_time: the chance to be in time that a target must have to be chosen for what it costs, by what is believed
            of it. The default, an even chance, is the paper's rule: what is expected in time will do. 0.99 keeps away
            from the limit, and pays for that in energy where the cheapest targets are close to it. Agents that have no
            idea how sure they are go by the default.

    Raises:
        InvalidGoal: NaN or non-positive limit, accuracy outside [0, 1], unknown objective or mode, a chance outside
            [0.5, 1).
    """

    objective: str = "energy"
    latency_s: float = 0.05
    min_accuracy: float | None = None
    mode: InferenceMode = InferenceMode.AUTO
    on_time: float = 0.5

    def __post_init__(self) -> None:
        one_of("objective", self.objective, OBJECTIVES, InvalidGoal)
        one_of("inference mode", self.mode, list(InferenceMode), InvalidGoal)
        object.__setattr__(self, "mode", InferenceMode(self.mode))
        check_type("latency_s", self.latency_s, (int, float), "seconds above 0, or inf for no limit", InvalidGoal)
        check_type("min_accuracy", self.min_accuracy, (int, float, NoneType), "a fraction, or None", InvalidGoal)
        check_type("on_time", self.on_time, (int, float), "a chance from 0.5 to below 1", InvalidGoal)
        if not 0.5 <= self.on_time < 1.0:
            raise InvalidGoal(f"on_time is {self.on_time}; allowed: a chance from 0.5 to below 1")
        if math.isnan(self.latency_s) or self.latency_s <= 0:
            raise InvalidGoal(f"latency_s is {self.latency_s}; allowed: seconds above 0, or inf for no limit")
        if self.min_accuracy is not None and not 0.0 <= self.min_accuracy <= 1.0:
            raise InvalidGoal(f"min_accuracy is {self.min_accuracy}; allowed: a fraction from 0 to 1, or None")
