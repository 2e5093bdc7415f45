"""What a simulated world may be asked to be: one dataclass is the default, the type and the help."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, get_args

from autoscale.errors import InvalidInput, check_type, one_of
from autoscale.profiles import link_names
from autoscale.profiles.device import SETTINGS
from autoscale.profiles.folder import is_file, shipped_name
from autoscale.profiles.link_trace import End, LinkTrace
from autoscale.profiles.networks import network_names
from autoscale.profiles.remotes import USUAL_LINKS, USUAL_REMOTES, Profile, check_profile, parsed_name
from autoscale.query.goal import OBJECTIVES
from autoscale_envs.variance.scenarios import load_scenario


class WorldKeywords(TypedDict, total=False):
    """``WorldOptions`` as keywords, for those who give a few."""

    device: Profile
    scenario: str
    objective: str
    networks: tuple[str | Path, ...]
    links: Mapping[str, str]
    trace: LinkTrace | str | Path | None
    trace_end: End
    hidden_sigma: float
    latency_s: float | None
    min_accuracy: float | None
    queries: int
    gap_s: float
    settings: str
    remotes: Mapping[str, Profile] | None


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """A device, what surrounds it, and what is asked of it.

    Attributes:
        device: profile of the device that decides: its name, its file, or itself.
        scenario: ``S1`` to ``S5``, ``D1`` to ``D4``.
        objective: ``energy`` (of the device), ``carbon`` (of all), ``latency``.
        networks: the networks that ask: names, files, or the ``model.toml`` of bundles; none means all that ship.
        links: place (``edge``, ``cloud``), or the link of one of the remotes, to link profile; one left out keeps its
            Wi-Fi.
        trace: what the links to the cloud do, in place of the link profile's rates: a trace or its file.
        trace_end: past the trace's end it starts again (``loop``), keeps its last sample (``hold``), or the cloud
            is out of reach (``stop``).
        hidden_sigma: how far the very device is from its profile: see ``hidden.py``.
        latency_s: the latest a useful answer comes; None takes the paper's 50 ms, 100 ms for text.
        min_accuracy: the lowest acceptable accuracy, a fraction; None for no floor.
        queries: in an episode.
        gap_s: mean time from one query to the next.
        settings: what the device's own targets set: ``dvfs`` steps of each processor's clock, or ``threads``, 1, 2, 4,
            ... of the CPU's cores, as a session's do.
        remotes: link (``cloud``, ``edge:tablet``) or one target there (``cloud:gpu/fp32``) to the profile of the
            machine, by name, file or itself; ``{}`` for none, None for the paper's tablet and server. See
            ``make_remotes``.

    Raises:
        InvalidInput: a name that does not exist (the message names the nearest), a number out of range.
    """

    device: Profile = "mi8pro"
    scenario: str = "S1"
    objective: str = "energy"
    networks: tuple[str | Path, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    trace: LinkTrace | str | Path | None = None
    trace_end: End = "loop"
    hidden_sigma: float = 0.15
    latency_s: float | None = None
    min_accuracy: float | None = None
    queries: int = 1000
    gap_s: float = 0.5
    settings: str = "dvfs"
    remotes: Mapping[str, Profile] | None = None

    def __post_init__(self) -> None:
        check_profile(self.device)
        load_scenario(self.scenario)
        one_of("objective", self.objective, OBJECTIVES)
        one_of("settings", self.settings, SETTINGS)
        one_of("end of a trace", self.trace_end, get_args(End))
        if isinstance(self.networks, str):
            raise InvalidInput(f"networks is '{self.networks}'; allowed: a sequence of names, as ('{self.networks}',)")
        for network in self.networks:
            check_type("a network", network, (str, Path), "its name, or a .toml file")
            if not is_file(network):
                shipped_name("network", str(network), network_names())
        places = dict.fromkeys([*USUAL_LINKS, *self._check_remotes()])
        for place, link in self.links.items():
            one_of("place of a link", place, places)
            if not is_file(link):
                shipped_name("link", link, link_names())
        self._check_numbers()

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
        for name, kind in (("hidden_sigma", (int, float)), ("queries", int), ("gap_s", (int, float))):
            check_type(name, getattr(self, name), kind, "a whole number" if kind is int else "a number")
        if not 0.0 <= self.hidden_sigma <= 2.0:
            raise InvalidInput(f"hidden_sigma is {self.hidden_sigma}; allowed: 0 (the profile is true) to 2")
        if self.queries < 1:
            raise InvalidInput(f"queries is {self.queries}; allowed: a whole number, 1 or more")
        if not (0.0 < self.gap_s < math.inf):
            raise InvalidInput(f"gap_s is {self.gap_s}; allowed: seconds above 0, finite")


def options_from(settings: WorldKeywords) -> WorldOptions:
    """The options that some keywords stand for.

    Raises:
        UnknownName: no such option; the message names the nearest.
        InvalidInput: as for ``WorldOptions``.
    """
    for name in settings:
        one_of("option", name, WorldKeywords.__annotations__)
    return WorldOptions(**settings)
