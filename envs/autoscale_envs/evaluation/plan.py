"""What is to be compared, over which devices, scenarios and networks, and how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

from autoscale.errors import InvalidInput
from autoscale.profiles.networks import network_names
from autoscale.profiles.remotes import USUAL_REMOTES, Profile, parsed_name
from autoscale_envs.variance.hidden import USUAL_SHARES
from autoscale_envs.variance.scenarios import PAPERS
from autoscale_envs.worlds.options import WorldOptions

IN_TURN: Final = "in-turn"
"""Stands for the network in a cell that is of all."""
PHONES: Final = ("mi8pro", "s10e", "moto-x-force")


class Cell(NamedTuple):
    """One square of the grid."""

    device: str
    scenario: str
    network: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A comparison; the defaults are the paper's table.

    Attributes:
        devices: device profiles.
        scenarios: ``S1`` to ``S5``, ``D1`` to ``D4``.
        networks: each is asked by itself, or all in turn.
        agents: names of ``contestants``; the baselines that the figures need are added.
        policies: name to the file of a trained policy; ``{device}`` in it stands for the device's name.
        objective: ``energy``, ``carbon`` or ``latency``.
        min_accuracy: the lowest acceptable accuracy, a fraction; None for no floor.
        in_turn: whether all networks are asked in one run, as a phone's applications do: one some ten times in a row,
            then another. ``queries`` and ``warm_up`` are then those of each, on average.
        latency_limit_s: the latest a useful answer comes; None takes the paper's 50 ms, 100 ms for text.
        hidden_sigma: how far the very device is from its profile.
        hidden_shares: whose that is: see ``WorldOptions``.
        noisy: whether single queries stray from what could be known of them.
        seeds: runs of each agent in each cell.
        queries: of a run.
        warm_up: how many of them are for learning, before the rest is judged.
        seed: of everything.
        settings: what the devices' own targets set, ``dvfs`` or ``threads``.
        remotes: as for ``WorldOptions``; one of them in the cloud, which is a baseline.
        links: the way to them, as for ``WorldOptions``.
        cold_start: whether the first query on a target opens it, as for ``WorldOptions``.
        splits: whether networks have targets in two parts too, likewise.

    Raises:
        InvalidInput: a name that does not exist (the message names the nearest), a number out of range.
    """

    devices: tuple[str, ...] = PHONES
    scenarios: tuple[str, ...] = tuple(PAPERS)
    networks: tuple[str, ...] = field(default_factory=lambda: tuple(network_names()))
    agents: tuple[str, ...] = ()
    policies: Mapping[str, str] = field(default_factory=dict)
    objective: str = "energy"
    min_accuracy: float | None = None
    hidden_sigma: float = 0.15
    hidden_shares: Mapping[str, float] = field(default_factory=lambda: dict(USUAL_SHARES))
    noisy: bool = True
    seeds: int = 10
    queries: int = 200
    warm_up: int = 100
    seed: int = 0
    settings: str = "dvfs"
    remotes: Mapping[str, Profile] | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    cold_start: bool = False
    splits: bool = False
    latency_limit_s: float | None = None
    in_turn: bool = False

    def __post_init__(self) -> None:
        for name in ("devices", "scenarios", "networks"):
            if not getattr(self, name):
                raise InvalidInput(f"{name} is empty; allowed: one or more")
        for cell in self.cells():
            self.world(cell)
        if "cloud" not in self.places():
            raise InvalidInput(
                "no remote is in the cloud, beside which all are judged; allowed: as in cloud=gpu-server"
            )
        if self.seeds < 1:
            raise InvalidInput(f"seeds is {self.seeds}; allowed: 1 or more")
        if self.queries < 2:
            raise InvalidInput(f"queries is {self.queries}; allowed: 2 or more")
        if not 0 <= self.warm_up < self.queries:
            raise InvalidInput(f"warm_up is {self.warm_up}; allowed: 0 to {self.queries - 1}, so that some are judged")
        if self.seed < 0:
            raise InvalidInput(f"seed is {self.seed}; allowed: 0 or more")

    def cells(self) -> list[Cell]:
        """The grid, network by network within scenario within device."""
        networks = (IN_TURN,) if self.in_turn else self.networks
        return [Cell(*each) for each in product(self.devices, self.scenarios, networks)]

    @property
    def run_queries(self) -> int:
        """Queries of a run."""
        return self.queries * (len(self.networks) if self.in_turn else 1)

    @property
    def run_warm_up(self) -> int:
        """How many of them are for learning."""
        return self.warm_up * (len(self.networks) if self.in_turn else 1)

    def places(self) -> set[str]:
        """Where there are remotes."""
        remotes = USUAL_REMOTES if self.remotes is None else self.remotes
        return {parsed_name(name)[0].partition(":")[0] for name in remotes}

    def world(self, cell: Cell) -> WorldOptions:
        """The world of a cell."""
        return WorldOptions(
            device=cell.device,
            scenario=cell.scenario,
            objective=self.objective,
            networks=self.networks if self.in_turn else (cell.network,),
            hidden_sigma=self.hidden_sigma,
            hidden_shares=self.hidden_shares,
            min_accuracy=self.min_accuracy,
            latency_s=self.latency_limit_s,
            settings=self.settings,
            remotes=self.remotes,
            links=self.links,
            cold_start=self.cold_start,
            splits=self.splits,
            queries=self.run_queries,
        )

    def run_seeds(self, cell: Cell) -> list[int]:
        """One a run: of its own for every cell, the same for every agent, whatever else is in the plan."""
        return cell_seeds(self.seed, cell, self.seeds)


def cell_seeds(seed: int, cell: Sequence[str], count: int) -> list[int]:
    """Seeds of a cell's own, shape (count,): the same for every agent, whatever else is in the plan."""
    named = np.random.SeedSequence([seed, crc32("|".join(cell).encode())])
    return [int(each) for each in named.generate_state(count, np.uint64)]
