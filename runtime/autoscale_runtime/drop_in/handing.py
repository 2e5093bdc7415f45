"""Runs in which nothing is decided: what they cost is accounted for all the same."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from autoscale.agents.reward import reward
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.record import Attempt, Decision, Record
from autoscale.query.target import Target
from autoscale_runtime.device.assemble import account_of
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.recording import give_record
from autoscale_runtime.drop_in.defaults import Defaults

T = TypeVar("T")


def handing_of(target: Target, model: str, defaults: Defaults) -> "Handing":
    """The application's own session, which runs a model at a target."""
    account, _ = account_of(defaults.goal, defaults.options)
    return Handing(account, target, defaults.goal, model, defaults.options.on_record)


@dataclass(frozen=True, slots=True)
class Handing:
    """The application's own session as a place where queries go undecided.

    Attributes:
        account: what its work costs.
        target: where it runs.
        goal: by which the reward is told, to which nothing is done.
        model: its name.
        on_record: called with every query's record; None for nobody.
    """

    account: DeviceAccount
    target: Target
    goal: Goal
    model: str
    on_record: Callable[[Record], None] | None = None

    def run(self, reason: str, call: Callable[[], T]) -> tuple[T, Decision]:
        """Call it, and tell what that cost; whatever it raises goes to the caller.

        Args:
            reason: why nothing was decided.
            call: the query.
        """
        time_s, mark, started_s = time.time(), self.account.begin(), time.perf_counter()
        answer = call()
        latency_s = time.perf_counter() - started_s
        outcome = self.account.end(mark, self.target, latency_s)
        attempts = (Attempt(self.target, latency_s),)
        decision = Decision(
            str(self.target), self.target, attempts, None, None, outcome, 1.0, reward(outcome, self.goal, 1.0),
            handed_through=reason,
        )  # fmt: skip
        if self.on_record is not None:
            give_record(self.on_record, lambda: self._record(time_s, decision))
        return answer, decision

    def _record(self, time_s: float, decision: Decision) -> Record:
        grids, device = self.account.grid.read(), self.account.table.profile.name
        return Record(time_s, device, self.model, self.goal, Observation(), decision, grids.regions, grids.kinds)
