"""What is to be compared in a measured world, and how long."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from autoscale.agents.base import AGENTS
from autoscale.errors import InvalidGoal, InvalidInput, one_of
from autoscale.profiles import DeviceProfile
from autoscale.query.goal import Goal
from autoscale_envs.evaluation.contestants import PAPER
from autoscale_envs.evaluation.deep import DEEP
from autoscale_envs.evaluation.measured_rivals import missing_target, what_lacks
from autoscale_envs.evaluation.own_agent import check_agent_name
from autoscale_envs.evaluation.plan import cell_seeds
from autoscale_envs.measured.contestants import ENGINE, ORACLE, RULES, check_rules
from autoscale_envs.measured.table import MeasuredTable

FIRST_TEN: Final = 9
"""Queries of a network before the judged ones, if nothing else is asked for: what is judged begins with the tenth."""
QUERIES: Final = 50
LEARNERS: Final = ("q-learning", "corrector")
FITTED: Final = ("bo", "frozen", "knn", "lr", "svm", "svr")
"""Agents that a table has nothing for: they are fitted to a simulator."""


class MeasuredCell(NamedTuple):
    """One run of every contestant: a device, and which of the seeds."""

    device: str
    run: str


@dataclass(frozen=True, slots=True)
class MeasuredPlan:
    """A comparison in tables of measurements.

    Attributes:
        tables: by device.
        agents: rules of ``measured.contestants``, agents that ship, and ``module:Class``; none means the usual ones.
        goal: of every query.
        profile: whose physics agents are told as a forecast; None tells them nothing.
        noisy: whether single queries stray from the mean of the runs.
        seeds: runs of each agent on each device.
        queries: of each network in a run; the networks are asked in turn.
        warm_up: how many of them are for learning, before the rest is judged.
        seed: of everything.

    Raises:
        InvalidInput: a name that does not exist (the message names the nearest), a number out of range.
    """

    tables: Mapping[str, MeasuredTable]
    agents: tuple[str, ...] = ()
    goal: Goal = field(default_factory=lambda: Goal(latency_s=math.inf))
    profile: DeviceProfile | None = None
    noisy: bool = True
    seeds: int = 10
    queries: int = QUERIES
    warm_up: int = FIRST_TEN
    seed: int = 0

    def __post_init__(self) -> None:
        if self.goal.objective == "carbon":
            raise InvalidGoal(
                "objective is 'carbon', but a table of measurements has no grams; allowed: energy, latency"
            )
        for table in self.tables.values():
            table.held_to(self.goal)
        engines = self._engines()
        for name in self.agents:
            if not name.startswith(ENGINE):
                if name not in DEEP:
                    check_agent_name(name, {*RULES, PAPER, *AGENTS.names()} - {*FITTED})
                self._check_able(name)
        check_rules(self.agents, engines)
        for name, value, least in (("seeds", self.seeds, 1), ("queries", self.queries, 2), ("seed", self.seed, 0)):
            if value < least:
                raise InvalidInput(f"{name} is {value}; allowed: {least} or more")
        if not 0 <= self.warm_up < self.queries:
            raise InvalidInput(f"warm_up is {self.warm_up}; allowed: 0 to {self.queries - 1}, so that some are judged")

    def lineup(self, device: str) -> tuple[str, ...]:
        """Who takes part on a device: whoever has a target there to choose; the oracle always does."""
        table = self.tables[device]
        usual = (*RULES, *(f"{ENGINE}{each}" for each in table.engines), *LEARNERS)
        asked = [
            name
            for name in self.agents or usual
            if (
                name.removeprefix(ENGINE) in table.engines
                if name.startswith(ENGINE)
                else not missing_target(name, table.targets)
            )
        ]
        return tuple(dict.fromkeys([*asked, ORACLE]))

    def cells(self) -> list[MeasuredCell]:
        """Every run of every device."""
        return [MeasuredCell(device, str(run)) for device in self.tables for run in range(self.seeds)]

    def seed_of(self, cell: MeasuredCell) -> int:
        """Of its own for every cell, the same for every agent, whatever else is in the plan."""
        return cell_seeds(self.seed, cell, 1)[0]

    def _check_able(self, name: str) -> None:
        every = [target for table in self.tables.values() for target in table.targets]
        if lacks := what_lacks(name, every, self.profile is not None):
            raise InvalidInput(f"agent '{name}' cannot take part: {lacks}")

    def _engines(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(engine for table in self.tables.values() for engine in table.engines))


def chosen_devices(tables: Mapping[str, MeasuredTable], devices: tuple[str, ...]) -> dict[str, MeasuredTable]:
    """Some of the tables; none named means all.

    Raises:
        UnknownName: no rows of such a device; the message names the nearest.
    """
    for device in devices:
        one_of("device of the table", device, tables)
    return {device: table for device, table in tables.items() if not devices or device in devices}


def chosen_networks(tables: Mapping[str, MeasuredTable], networks: tuple[str, ...]) -> dict[str, MeasuredTable]:
    """The rows of some networks; none named means all. A device without any of them is left out.

    Raises:
        UnknownName: no rows of such a network; the message names the nearest.
    """
    known = dict.fromkeys(network for table in tables.values() for network in table.networks)
    for network in networks:
        one_of("network of the table", network, known)
    if not networks:
        return dict(tables)
    return {device: table.only(networks) for device, table in tables.items() if {*table.networks} & {*networks}}
