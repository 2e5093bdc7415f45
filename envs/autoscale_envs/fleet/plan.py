"""What fleet is to be simulated: one dataclass is the default, the type and the help."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

from autoscale.errors import InvalidInput, one_of
from autoscale.profiles import device_names, load_device
from autoscale.profiles.shipped import shipped_name
from autoscale.query.goal import OBJECTIVES

USUAL_MIX: Final = MappingProxyType({"mi8pro": 0.4, "s10e": 0.3, "pixel9": 0.2, "moto-x-force": 0.1})
"""Shares of the phones that ship; ours."""

LINKS: Final = MappingProxyType({"wifi": 0.65, "lte": 0.35})
"""How many of those devices that have the radio are on a link; ours."""

POLICIES: Final = ("cloud", "device-best", "device-cpu-fp32", "learned")
LONGEST_DAYS: Final = 3660
MOST_QUERIES_PER_DAY: Final = 10_000.0


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """A fleet, how long it runs, and who decides.

    Attributes:
        devices: how many.
        days: how long, from midnight UTC of ``start``.
        seed: of all its randomness: same plan, same records, however many are written at once.
        mix: device profile to its share; shares need not sum to 1.
        queries_per_day: of a device, on average; devices differ, and so do days.
        policy: ``cloud``, ``device-best`` and ``device-cpu-fp32`` send every query of a network to one target, as the
            agents of those names do; ``learned`` is what an agent comes to that has learned: the best target of each
            of the paper's states, and now and then another one to explore.
        start: the first day.
        objective: what ``learned`` and ``device-best`` minimise in time: ``energy`` of the device, ``carbon`` of all
            that a query adds, or ``latency``.
        considered: whether records keep what stood to be chosen, by which other policies can be judged on them.

    Raises:
        InvalidInput: a number out of range, a policy or a device that does not exist (the message names the nearest),
            a server among the devices.
    """

    devices: int
    days: int
    seed: int = 0
    mix: Mapping[str, float] = field(default_factory=lambda: USUAL_MIX)
    queries_per_day: float = 50.0
    policy: str = "learned"
    start: date = date(2025, 1, 1)
    objective: str = "energy"
    considered: bool = True

    def __post_init__(self) -> None:
        _check("devices", self.devices, 1, 10**9)
        _check("days", self.days, 1, LONGEST_DAYS)
        _check("seed", self.seed, 0, 2**63)
        _check("queries_per_day", self.queries_per_day, 0.01, MOST_QUERIES_PER_DAY)
        one_of("policy", self.policy, POLICIES, InvalidInput)
        one_of("objective", self.objective, OBJECTIVES, InvalidInput)
        if not date(2020, 1, 1) <= self.start <= date.max - timedelta(LONGEST_DAYS):
            raise InvalidInput(f"start is {self.start}; allowed: 2020-01-01, the first day of a ledger, or later")
        if not self.mix:
            raise InvalidInput("mix has no devices; allowed: one or more, as in mi8pro=0.5,s10e=0.5")
        for name, share in self.mix.items():
            shipped_name("device", name, device_names())
            if load_device(name).kind == "server":
                raise InvalidInput(f"mix has '{name}', a server; allowed: devices that ask, as in mi8pro=0.5,s10e=0.5")
            if not 0.0 < share < math.inf:
                raise InvalidInput(f"the share of '{name}' is {share}; allowed: above 0, finite")

    @property
    def expected_records(self) -> float:
        """How many records it makes, on average over seeds."""
        return self.devices * self.days * self.queries_per_day


def parse_mix(text: str) -> dict[str, float]:
    """A mix as people write it.

    Raises:
        InvalidInput: a share that is no number, a device twice.

    >>> parse_mix("mi8pro=0.5, s10e=0.3")
    {'mi8pro': 0.5, 's10e': 0.3}
    """
    mix: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = (each.strip() for each in part.partition("="))
        try:
            value = float(share)
        except ValueError:
            raise InvalidInput(f"'{part.strip()}' is no part of a mix; allowed: as in mi8pro=0.5,s10e=0.5") from None
        if name in mix:
            raise InvalidInput(f"'{name}' is in the mix twice; allowed: each device once")
        mix[name] = value
    return mix


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InvalidInput(f"{name} is {value}; allowed: {least:g} to {most:g}")
