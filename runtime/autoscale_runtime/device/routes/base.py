"""A way to an answer: one target, loaded and ready, that says what it would cost and what it did cost."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

from autoscale.errors import TargetError
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.verification import Reference
from autoscale_runtime.grid.watch import Grids


class Moment(NamedTuple):
    """What is known while one query is decided, answered and accounted for: one look, so that its figures agree.

    Attributes:
        observation: what the sensors saw; its intensities are those of ``grids``.
        grids: the electricity of all that the query touches.
        rest_s: how long the radio has not been used (``DeviceAccount.rest_s``); infinite beyond its tail.
    """

    observation: Observation
    grids: Grids
    rest_s: float = math.inf


class Expected(NamedTuple):
    """What a query is expected to cost by one route: seconds, joules of the device, grams in all."""

    latency_s: float
    energy_j: float
    carbon_g: float

    def objective(self, goal: Goal) -> float:
        """The figure that the goal minimises."""
        return {"energy": self.energy_j, "carbon": self.carbon_g, "latency": self.latency_s}[goal.objective]


NOTHING_SPARED: Final = Expected(0.0, 0.0, 0.0)


class Failed(Exception):
    """An attempt without an answer: what it cost; and why there is none. Never leaves this package."""

    def __init__(self, outcome: Outcome, error: TargetError) -> None:
        super().__init__(str(error))
        self.outcome = outcome
        self.error = error


class Route(ABC):
    """One target of this session. Thread-safe.

    Attributes:
        target: where it leads.
        accuracy: of the variant that answers there, as a fraction; None where nobody measured it.
        is_shipped: whether the engine that ships for the model's format runs it, to whose answers others are held.
    """

    target: Target
    accuracy: float | None
    is_shipped: bool = False

    @property
    def coverage(self) -> float | None:
        """Share of the model's nodes that run on the target's processor; None where nobody says."""
        return None

    @property
    def is_open(self) -> bool:
        """Whether it leads anywhere just now."""
        return True

    @property
    def standing(self) -> Hashable:
        """What its forecasts go by beside the query and the moment: while it is the same, so are they."""
        return None

    @abstractmethod
    def expected(self, query: Query, moment: Moment) -> Expected:
        """What this query would cost now."""

    def least_j(self, query: Query, moment: Moment) -> float:
        """What a query would cost this device now, if it were computed in no time."""
        return 0.0

    def spared(self, moment: Moment, rest_s: float) -> Expected:
        """What a query would cost less if the radio had rested so long, and not as long as at the moment."""
        return NOTHING_SPARED

    @abstractmethod
    def run(self, query: Query, moment: Moment, timeout_s: float) -> tuple[list[Array], Outcome]:
        """Answer the query.

        Raises:
            FeedError: the feeds are not the model's.
            Failed: no answer, or none within ``timeout_s``.
        """

    def load(self) -> None:
        """Load what runs there, where that is on this device and has not been done.

        Raises:
            ModelError, MissingExtra: as the engine does.
        """

    def connect(self, moment: Moment) -> float:
        """Make the connection that a query needs, where there is none yet; what that cost the device, in joules.

        Raises:
            TargetError: there is none to be had.
        """
        return 0.0

    def is_random(self) -> bool:
        """Whether the network that runs there is known to draw at random."""
        return False

    @property
    def closed_reason(self) -> str:
        """Why it leads nowhere just now; empty where it does."""
        return ""

    def hold_to(self, query: Query, right: Reference) -> None:
        """Take a query and its right answer, where it has to be verified."""

    def tell_moved(self, moved: Callable[[str, int], None]) -> None:
        """Be given whom to tell of a link and the bytes that crossed it."""

    def meet(self, query: Query) -> None:
        """See a query, whichever target answers it."""

    def reverify(self, query: Query, right: Reference) -> None:
        """Take a query and its right answer to be verified by, where it did not answer at calibration."""

    def reset(self) -> None:
        """Begin a new stream, where the model's file keeps state."""

    def close(self) -> None:
        """Give back what is held."""
