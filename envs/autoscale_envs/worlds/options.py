"""What a simulated world may be asked to be: one dataclass is the default, the type and the help."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypedDict, get_args

from autoscale.errors import InvalidInput, one_of
from autoscale.profiles import device_names, link_names
from autoscale.profiles.folder import shipped_name
from autoscale.profiles.link_trace import End, LinkTrace
from autoscale.profiles.networks import network_names
from autoscale.query.goal import OBJECTIVES
from autoscale_envs.variance.scenarios import load_scenario

LINKS: Final = {"edge": "wifi-direct", "cloud": "wifi"}


class Settings(TypedDict, total=False):
    """``WorldOptions`` as keywords, for those who give a few."""

    device: str
    scenario: str
    objective: str
    networks: tuple[str, ...]
    links: Mapping[str, str]
    trace: LinkTrace | str | Path | None
    trace_end: End
    hidden_sigma: float
    latency_s: float | None
    min_accuracy: float | None
    queries: int
    gap_s: float


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """A device, what surrounds it, and what is asked of it.

    Attributes:
        device: profile of the device that decides.
        scenario: ``S1`` to ``S5``, ``D1`` to ``D4``.
        objective: ``energy`` (of the device), ``carbon`` (of all), ``latency``.
        networks: the networks that ask; none means all that ship.
        links: place (``edge``, ``cloud``) to link profile; a place left out keeps its Wi-Fi.
        trace: what the link to the cloud does, in place of the link profile's rates: a trace or its file.
        trace_end: past the trace's end it starts again (``loop``), keeps its last sample (``hold``), or the cloud
            is out of reach (``stop``).
        hidden_sigma: how far the very device is from its profile: see ``hidden.py``.
        latency_s: the latest a useful answer comes; None takes the paper's 50 ms, 100 ms for text.
        min_accuracy: the lowest acceptable accuracy, a fraction; None for no floor.
        queries: in an episode.
        gap_s: mean time from one query to the next.

    Raises:
        InvalidInput: a name that does not exist (the message names the nearest), a number out of range.
    """

    device: str = "mi8pro"
    scenario: str = "S1"
    objective: str = "energy"
    networks: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    trace: LinkTrace | str | Path | None = None
    trace_end: End = "loop"
    hidden_sigma: float = 0.15
    latency_s: float | None = None
    min_accuracy: float | None = None
    queries: int = 1000
    gap_s: float = 0.5

    def __post_init__(self) -> None:
        if not self.device.endswith(".toml"):
            shipped_name("device", self.device, device_names())
        load_scenario(self.scenario)
        one_of("objective", self.objective, OBJECTIVES)
        one_of("end of a trace", self.trace_end, get_args(End))
        if isinstance(self.networks, str):
            raise InvalidInput(f"networks is '{self.networks}'; allowed: a sequence of names, as ('{self.networks}',)")
        for network in self.networks:
            if not network.endswith(".toml"):
                shipped_name("network", network, network_names())
        for place, link in self.links.items():
            one_of("place of a link", place, LINKS)
            if not link.endswith(".toml"):
                shipped_name("link", link, link_names())
        self._check_numbers()

    def _check_numbers(self) -> None:
        if not 0.0 <= self.hidden_sigma <= 2.0:
            raise InvalidInput(f"hidden_sigma is {self.hidden_sigma}; allowed: 0 (the profile is true) to 2")
        if not (isinstance(self.queries, int) and self.queries >= 1):
            raise InvalidInput(f"queries is {self.queries}; allowed: a whole number, 1 or more")
        if not (0.0 < self.gap_s < math.inf):
            raise InvalidInput(f"gap_s is {self.gap_s}; allowed: seconds above 0, finite")


def options_from(settings: Settings) -> WorldOptions:
    """The options that some keywords stand for.

    Raises:
        UnknownName: no such option; the message names the nearest.
        InvalidInput: as for ``WorldOptions``.
    """
    for name in settings:
        one_of("option", name, Settings.__annotations__)
    return WorldOptions(**settings)
