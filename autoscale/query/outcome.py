"""What a query cost: time, energy, carbon and accuracy, each with how it is known."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from autoscale.errors import InvalidInput
from autoscale.query.goal import Goal


class Method(StrEnum):
    """How a figure is known."""

    MEASURED = "measured"
    MODELLED = "modelled"
    DEFAULT = "default"


_BEST_FIRST: Final = tuple(Method)


def worst(*methods: Method) -> Method:
    """How a figure is known that rests on several.

    >>> worst(Method.MEASURED, Method.DEFAULT, Method.MODELLED).value
    'default'
    """
    return max(methods, key=_BEST_FIRST.index)


@dataclass(frozen=True, slots=True)
class Split:
    """One quantity by who spent it; the unit is in the name of the field that holds it.

    >>> (Split(device=1.0) + Split(network=0.5)).total
    1.5
    """

    device: float = 0.0
    network: float = 0.0
    remote: float = 0.0

    @property
    def total(self) -> float:
        """The sum over the three."""
        return self.device + self.network + self.remote

    def __add__(self, other: "Split") -> "Split":
        return Split(self.device + other.device, self.network + other.network, self.remote + other.remote)


ZERO = Split()


@dataclass(frozen=True, slots=True)
class CarbonEnds:
    """The least and the most that a query may have emitted, gCO2e over all machines; the mids are the outcome's own.

    Raises:
        InvalidInput: a low end that is negative or above its high end, or an end that is not finite.
    """

    operational_low_g: float
    operational_high_g: float
    embodied_low_g: float
    embodied_high_g: float

    def __post_init__(self) -> None:
        if not (
            0.0 <= self.operational_low_g <= self.operational_high_g < math.inf
            and 0.0 <= self.embodied_low_g <= self.embodied_high_g < math.inf
        ):
            raise InvalidInput(f"{self}; allowed: 0 <= low <= high, finite")

    def __add__(self, other: "CarbonEnds") -> "CarbonEnds":
        return CarbonEnds(
            self.operational_low_g + other.operational_low_g,
            self.operational_high_g + other.operational_high_g,
            self.embodied_low_g + other.embodied_low_g,
            self.embodied_high_g + other.embodied_high_g,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one query cost, from the call to the answer, failed attempts included.

    ``energy_j.device`` is all that the device's battery paid (its radio too); ``energy_j.network`` is the
    infrastructure between the machines, ``energy_j.remote`` the machine that answered.

    Raises:
        InvalidInput: a figure that is negative, infinite or NaN: one of them would spoil all an agent has learned.

    Attributes:
        latency_s: from the call to the answer.
        energy_j: joules of the device, the network, the remote machine.
        carbon_operational_g: gCO2e of that energy.
        carbon_embodied_g: gCO2e of making the machines, for the time they were used.
        accuracy: of the variant that answered, as a fraction; None where nobody measured it.
        methods: figure (``"latency_s"``, ``"energy_j.device"``, ...) to how it is known.
        ends: how far the carbon may lie from the two figures; None where no range is known.
        added_carbon_g: gCO2e that would not have been without the query; None where that is all of it. An account
            attributes to a query its share of a network that runs anyway, which is no reason to decide otherwise.
        pue_remote: power usage effectiveness of the remote machine's building, by which its joules were multiplied;
            None where it did not say.
        intensity_remote_g_per_kwh: of the electricity that the remote machine reckoned with; likewise.
    """

    latency_s: float
    energy_j: Split = ZERO
    carbon_operational_g: Split = ZERO
    carbon_embodied_g: Split = ZERO
    accuracy: float | None = None
    methods: Mapping[str, Method] = field(default_factory=dict)
    ends: CarbonEnds | None = None
    added_carbon_g: float | None = None
    pue_remote: float | None = None
    intensity_remote_g_per_kwh: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.latency_s < math.inf:
            raise InvalidInput(f"latency_s is {self.latency_s}; allowed: 0 or more, finite")
        for name in ("energy_j", "carbon_operational_g", "carbon_embodied_g"):
            split = getattr(self, name)
            if not (
                0.0 <= split.device < math.inf and 0.0 <= split.network < math.inf and 0.0 <= split.remote < math.inf
            ):
                raise InvalidInput(f"{name} is {split}; allowed: 0 or more, finite")
        if self.added_carbon_g is not None and not 0.0 <= self.added_carbon_g < math.inf:
            raise InvalidInput(f"added_carbon_g is {self.added_carbon_g}; allowed: 0 or more, finite, or None")
        if self.accuracy is not None and not 0.0 <= self.accuracy <= 1.0:
            raise InvalidInput(f"accuracy is {self.accuracy}; allowed: a fraction from 0 to 1, or None")

    @property
    def carbon_g(self) -> float:
        """Operational and embodied gCO2e, everywhere."""
        return self.carbon_operational_g.total + self.carbon_embodied_g.total

    def after(self, earlier: "Outcome") -> "Outcome":
        """The same outcome with what an earlier, failed attempt at the same query cost added to it."""
        return Outcome(
            self.latency_s + earlier.latency_s,
            self.energy_j + earlier.energy_j,
            self.carbon_operational_g + earlier.carbon_operational_g,
            self.carbon_embodied_g + earlier.carbon_embodied_g,
            self.accuracy,
            {**earlier.methods, **self.methods},
            None if self.ends is earlier.ends is None else self.known_ends() + earlier.known_ends(),
            self.decisive_carbon_g + earlier.decisive_carbon_g,
            self.pue_remote if earlier.pue_remote is None else earlier.pue_remote,
            self.intensity_remote_g_per_kwh
            if earlier.intensity_remote_g_per_kwh is None
            else earlier.intensity_remote_g_per_kwh,
        )

    @property
    def decisive_carbon_g(self) -> float:
        """What a decision for the least carbon goes by: gCO2e that were added."""
        return self.carbon_g if self.added_carbon_g is None else self.added_carbon_g

    def known_ends(self) -> CarbonEnds:
        """How far the carbon may lie; the figures themselves where no range is known."""
        operational_g, embodied_g = self.carbon_operational_g.total, self.carbon_embodied_g.total
        return self.ends or CarbonEnds(operational_g, operational_g, embodied_g, embodied_g)

    def is_late(self, goal: Goal) -> bool:
        """Whether the answer came after the goal's limit."""
        return self.latency_s > goal.latency_s

    def misses_accuracy(self, goal: Goal) -> bool:
        """Whether the accuracy is known to be below the goal's floor."""
        return goal.min_accuracy is not None and self.accuracy is not None and self.accuracy < goal.min_accuracy

    def objective_value(self, goal: Goal) -> float:
        """The quantity the goal minimises: device joules, grams in all, or seconds.

        Energy is the device's own, as in the paper; carbon is everybody's, as in GreenScale, as far as it was added.
        """
        if goal.objective == "energy":
            return self.energy_j.device
        return self.decisive_carbon_g if goal.objective == "carbon" else self.latency_s
