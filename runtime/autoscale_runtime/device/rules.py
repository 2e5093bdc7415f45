"""What an application allows whatever the agent thinks: links that cost money, a battery's floor, budgets that roll."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from types import NoneType
from typing import Final, NamedTuple

from autoscale.errors import InvalidInput, check_type, listing
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

DAY_S: Final = 86400.0
_LOG: Final = logging.getLogger("autoscale.session")

NO_CONSENT: Final = "no consent for the query's data to leave this device"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a session must not do, or must save.

    Attributes:
        metered: the remotes over whose links bytes cost money (``cloud``, ``edge:tab-s6``); without a data budget they
            get no query.
        data_budget_bytes: what may cross those links in a period, both ways; the last query may exceed it.
        battery_floor: fraction of the battery below which, while it is not charged, only the target of the least
            energy that is in time gets queries.
        energy_budget_j: of this device in a period; once it is used up, likewise.
        carbon_budget_g: of all machines in a period, gCO2e; once it is used up, the target of the least carbon.
        period_s: how long each use counts against a budget.

    Raises:
        InvalidInput: a value of another type, or outside its range.
    """

    metered: Sequence[str] = ()
    data_budget_bytes: int | None = None
    battery_floor: float | None = None
    energy_budget_j: float | None = None
    carbon_budget_g: float | None = None
    period_s: float = DAY_S

    def __post_init__(self) -> None:
        check_type("metered", self.metered, (list, tuple), "a list of remotes, as in ['cloud']")
        for each in self.metered:
            check_type("a metered link", each, str, "a remote, as in 'cloud' or 'edge:tab-s6'")
            if not Target.parse(f"{each}:cpu/fp32").is_remote:
                raise InvalidInput(f"'{each}' has no link; allowed: 'cloud', 'edge', or 'edge:' and a name")
        for name in ("data_budget_bytes", "battery_floor", "energy_budget_j", "carbon_budget_g"):
            value = getattr(self, name)
            check_type(name, value, (int, float, NoneType), "a number, or None")
            if value is not None and not value >= 0.0:  # NaN too
                raise InvalidInput(f"{name} is {value}; allowed: 0 or more, or None")
        if self.battery_floor is not None and self.battery_floor > 1.0:
            raise InvalidInput(f"battery_floor is {self.battery_floor}; allowed: a fraction from 0 to 1, or None")
        check_type("period_s", self.period_s, (int, float), "seconds above 0")
        if not self.period_s > 0.0:
            raise InvalidInput(f"period_s is {self.period_s}; allowed: seconds above 0")
        if self.data_budget_bytes is not None and not self.metered:
            raise InvalidInput("data_budget_bytes counts for metered links; name them, as in metered=['cloud']")


class Saving(NamedTuple):
    """The one objective by which a target is chosen just now, and why."""

    objective: str
    reason: str


class Rolling:
    """A sum over the last period. Thread-safe."""

    def __init__(self, period_s: float, clock: Callable[[], float]) -> None:
        self._period_s, self._clock = period_s, clock
        self._used: deque[tuple[float, float]] = deque()
        self._sum = 0.0
        self._guard = Lock()

    def add(self, amount: float) -> None:
        """Count a use."""
        with self._guard:
            self._used.append((self._clock(), amount))
            self._sum += amount

    @property
    def total(self) -> float:
        """What was used in the period that ends now."""
        with self._guard:
            since_s = self._clock() - self._period_s
            while self._used and self._used[0][0] <= since_s:
                self._sum -= self._used.popleft()[1]
            return self._sum if self._used else 0.0


@dataclass(slots=True)
class Ledger:
    """How rules and what was used so far stand to each other.

    Attributes:
        rules: what must hold.
        clock: seconds, monotonic.
    """

    rules: Rules
    clock: Callable[[], float] = time.monotonic
    _data: Rolling = field(init=False)
    _energy: Rolling = field(init=False)
    _carbon: Rolling = field(init=False)

    def __post_init__(self) -> None:
        period_s = self.rules.period_s
        self._data, self._energy, self._carbon = (Rolling(period_s, self.clock) for _ in range(3))

    def barred(self, links: Sequence[str], may_leave: bool) -> Mapping[str, str]:
        """Links over which no query may leave just now, each with the reason."""
        if not may_leave:
            return dict.fromkeys(links, NO_CONSENT)
        budget = self.rules.data_budget_bytes
        if not self.rules.metered or (budget is not None and self._data.total < budget):
            return {}
        spent = "it has no data budget" if budget is None else f"its {budget:g} bytes of this period are used up"
        return {link: f"the link is metered, and {spent}" for link in links if link in self.rules.metered}

    def tell_unknown(self, links: Sequence[str]) -> None:
        """Say which metered links a session with these does not have: one called otherwise gets queries as ever."""
        unknown = [each for each in self.rules.metered if each not in links]
        if links and unknown:
            _LOG.warning("metered %s: no such remote here; there are %s", listing(unknown), listing(links))

    def saving(self, seen: Observation) -> Saving | None:
        """What has to be saved; None while all is within limits."""
        rules, battery = self.rules, seen.battery
        floor = rules.battery_floor
        if floor is not None and battery is not None and battery < floor and not seen.is_charging:
            return Saving("energy", f"the battery is at {battery:.0%}, below its floor of {floor:.0%}")
        if rules.energy_budget_j is not None and self._energy.total >= rules.energy_budget_j:
            return Saving("energy", f"the {rules.energy_budget_j:g} J of this period are used up")
        if rules.carbon_budget_g is not None and self._carbon.total >= rules.carbon_budget_g:
            return Saving("carbon", f"the {rules.carbon_budget_g:g} gCO2e of this period are used up")
        return None

    def spend(self, outcome: Outcome) -> None:
        """Count what a query cost."""
        if self.rules.energy_budget_j is not None:
            self._energy.add(outcome.energy_j.device)
        if self.rules.carbon_budget_g is not None:
            self._carbon.add(outcome.carbon_g)

    def moved(self, link: str, moved_bytes: int) -> None:
        """Count what crossed a link."""
        if self.rules.data_budget_bytes is not None and link in self.rules.metered:
            self._data.add(moved_bytes)
