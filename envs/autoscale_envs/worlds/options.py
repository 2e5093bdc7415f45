"""What a simulated world may be asked to be: one dataclass is the default, the type and the help."""

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Final, TypedDict, get_args

from autoscale.errors import InvalidGoal, InvalidInput, UnknownName, check_type, listing, nearest, one_of
from autoscale.profiles import link_names
from autoscale.profiles.device import SETTINGS
from autoscale.profiles.link_trace import End, LinkTrace
from autoscale.profiles.networks import names_for, network_names
from autoscale.profiles.remotes import (
    USUAL_LINKS,
    USUAL_REMOTES,
    Profile,
    check_profile,
    device_profile_of,
    parsed_name,
)
from autoscale.profiles.shipped import is_file, shipped_name
from autoscale.query.goal import OBJECTIVES
from autoscale_envs.variance.hidden import LEVELS, USUAL_SHARES
from autoscale_envs.variance.scenario_file import ScenarioLike, load_scenario

LONGEST_GAP_S: Final = 1e9
"""Thirty years: what lasts as long in a scenario (its dwell, its period) has the same end."""


class WorldKeywords(TypedDict, total=False):
    """``WorldOptions`` as keywords, for those who give a few."""

    device: Profile
    scenario: ScenarioLike
    objective: str
    networks: tuple[str | Path, ...]
    links: Mapping[str, str]
    trace: LinkTrace | str | Path | None
    trace_end: End
    hidden_sigma: float
    hidden_shares: Mapping[str, float]
    latency_s: float | None
    min_accuracy: float | None
    queries: int
    gap_s: float
    settings: str
    remotes: Mapping[str, Profile] | None
    cold_start: bool
    splits: bool


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """A device, what surrounds it, and what is asked of it.

    Attributes:
        device: profile of the device that decides: its name, its file, or itself.
        scenario: what varies: a name of ``scenarios.py``, a ``.toml`` file, or a ``Scenario``.
        objective: ``energy`` (of the device), ``carbon`` (of all), ``latency``.
        networks: the networks that ask: names, of the device's file too, files, or the ``model.toml`` of bundles; none
            means the paper's ten. One that the device's measured rows alone know is played on their targets.
        links: place (``edge``, ``cloud``), or the link of one of the remotes, to link profile; one left out keeps its
            Wi-Fi.
        trace: what the links to the cloud do, in place of the link profile's rates: a trace or its file.
        trace_end: past the trace's end it starts again (``loop``), keeps its last sample (``hold``), or the cloud
            is out of reach (``stop``).
        hidden_sigma: how far the very device is from its profile: see ``hidden.py``.
        hidden_shares: what of that (squared) is of the ``processor``, of ``network`` and processor, of network,
            processor and ``precision``, of the ``clock`` step; fractions that sum to 1.
        latency_s: the latest a useful answer comes; None takes the paper's 50 ms, 100 ms for text.
        min_accuracy: the lowest acceptable accuracy, a fraction; None for no floor.
        queries: in an episode.
        gap_s: mean time from one query to the next.
        settings: what the device's own targets set: ``dvfs`` steps of each processor's clock, or ``threads``, 1, 2, 4,
            ... of the CPU's cores, as a session's do.
        remotes: link (``cloud``, ``edge:tablet``) or one target there (``cloud:gpu/fp32``) to the profile of the
            machine, by name, file or itself; ``{}`` for none, None for the paper's tablet and server. See
            ``make_remotes``.
        cold_start: whether a query pays for opening its target, where the device has not yet run that network there in
            the episode: see ``opening.py``. Not by default: a session runs its first query on every target.
        splits: whether networks whose files tell of cuts have targets in two parts too: see ``splits.py``.

    Raises:
        InvalidInput: a name that does not exist (the message names the nearest), a number out of range.
    """

    device: Profile = "mi8pro"
    scenario: ScenarioLike = "S1"
    objective: str = "energy"
    networks: tuple[str | Path, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    trace: LinkTrace | str | Path | None = None
    trace_end: End = "loop"
    hidden_sigma: float = 0.15
    hidden_shares: Mapping[str, float] = field(default_factory=lambda: dict(USUAL_SHARES))
    latency_s: float | None = None
    min_accuracy: float | None = None
    queries: int = 1000
    gap_s: float = 0.5
    settings: str = "dvfs"
    remotes: Mapping[str, Profile] | None = None
    cold_start: bool = False
    splits: bool = False

    def __post_init__(self) -> None:
        check_profile(self.device)
        load_scenario(self.scenario)
        one_of("objective", self.objective, OBJECTIVES)
        one_of("settings", self.settings, SETTINGS)
        one_of("end of a trace", self.trace_end, get_args(End))
        check_type("cold_start", self.cold_start, bool, "True or False")
        check_type("splits", self.splits, bool, "True or False")
        if isinstance(self.networks, str | Set) or not isinstance(self.networks, Iterable):  # a set's order is chance
            raise InvalidInput(f"networks is {self.networks!r}; allowed: a sequence of names, as ('mobilenet-v1',)")
        object.__setattr__(self, "networks", tuple(self.networks))  # what gives them once is read here
        for network in self.networks:
            check_type("a network", network, (str, Path), "its name, or a .toml file")
            self._check_network(network)
        places = dict.fromkeys([*USUAL_LINKS, *self._check_remotes()])
        allowed = "a mapping of places to links, as {'cloud': 'lte'}"
        check_type("links", self.links, Mapping, allowed)
        for place, link in self.links.items():
            one_of("place of a link", place, places)
            check_type(f"link of '{place}'", link, (str, Path), "its name, or a .toml file")
            if not is_file(link):
                shipped_name("link", link, link_names())
        self._check_numbers()

    def _check_network(self, network: str | Path) -> None:
        """The device is read only for the name of a network of its own."""
        if not is_file(network) and network not in network_names():
            shipped_name("network", str(network), names_for(device_profile_of(self.device)))

    def _check_remotes(self) -> list[str]:
        """The names of the links to the remotes."""
        remotes = USUAL_REMOTES if self.remotes is None else self.remotes
        if not isinstance(remotes, Mapping):
            raise InvalidInput(f"remotes is {remotes!r}; allowed: a mapping, as {{'cloud': 'gpu-server'}}, or None")
        for profile in remotes.values():
            check_profile(profile)
        links = [parsed_name(name)[0] for name in remotes]
        if self.trace is not None and not any(link.startswith("cloud") for link in links):
            raise InvalidInput(
                "a trace says what the link to the cloud does, but no remote is there; allowed: no trace"
            )
        return links

    def _check_numbers(self) -> None:
        check_number("hidden_sigma", self.hidden_sigma, Real, "a number, 0 (the profile is true) to 2")
        check_number("queries", self.queries, Integral, "a whole number, 1 or more")
        check_number("gap_s", self.gap_s, Real, f"seconds above 0, to {LONGEST_GAP_S:g}")
        if self.latency_s is not None:
            check_number("latency_s", self.latency_s, Real, "seconds above 0, inf for no limit, or None", InvalidGoal)
        if self.min_accuracy is not None:
            check_number("min_accuracy", self.min_accuracy, Real, "a fraction from 0 to 1, or None", InvalidGoal)
        self._check_shares()
        if not 0.0 <= self.hidden_sigma <= 2.0:
            raise InvalidInput(f"hidden_sigma is {self.hidden_sigma}; allowed: 0 (the profile is true) to 2")
        if self.queries < 1:
            raise InvalidInput(f"queries is {self.queries}; allowed: a whole number, 1 or more")
        if not (0.0 < self.gap_s <= LONGEST_GAP_S):
            raise InvalidInput(f"gap_s is {self.gap_s}; allowed: seconds above 0, to {LONGEST_GAP_S:g}")

    def _check_shares(self) -> None:
        check_type("hidden_shares", self.hidden_shares, Mapping, f"fractions of {listing(LEVELS)} that sum to 1")
        for level, share in self.hidden_shares.items():
            one_of("level of hidden_shares", level, LEVELS)
            check_number(f"hidden_shares of '{level}'", share, Real, "a fraction from 0 to 1")
            if not 0.0 <= share <= 1.0:
                raise InvalidInput(f"hidden_shares of '{level}' is {share}; allowed: a fraction from 0 to 1")
        if not math.isclose(sum(self.hidden_shares.values()), 1.0, abs_tol=1e-6):
            raise InvalidInput(f"hidden_shares sum to {sum(self.hidden_shares.values()):g}; allowed: 1")


def check_number(what: str, value: object, kind: type, allowed: str, error: type[InvalidInput] = InvalidInput) -> None:
    """Raise ``error`` unless ``value`` is a number of that kind. Numpy's are numbers too; True is none.

    Raises:
        InvalidInput: the given subclass, as ``check_type``.
    """
    check_type(what, value, kind, allowed, error)
    if isinstance(value, bool):
        raise error(f"{what} is {value}; allowed: {allowed}")


class UnexpectedKeyword(UnknownName, TypeError):
    """An option that does not exist; libraries that try keywords expect Python's own error, in its words."""


def options_from(settings: WorldKeywords) -> WorldOptions:
    """The options that some keywords stand for.

    Raises:
        UnexpectedKeyword: no such option; the message names the nearest.
        InvalidInput: as for ``WorldOptions``.
    """
    known = WorldKeywords.__annotations__
    for name in settings:
        if name not in known:
            told = f"{nearest(name, known)}; allowed: {listing(known)}"
            raise UnexpectedKeyword(f"the environment got an unexpected keyword argument '{name}'{told}")
    return WorldOptions(**settings)
