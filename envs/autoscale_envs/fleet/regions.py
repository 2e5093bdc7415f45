"""Where the devices are, and the data centre that answers them.

Assumed, by us: eight large countries in proportion to about how many of their people have a smartphone, one clock each,
the nearest of one cloud's regions. Where grids are smaller than the country (India, Japan, the USA), large ones of
them stand for it. Carbon intensities are what is typical for the month and hour (``TypicalHours``), low and high with
them; of a place without a known shape (Indonesia) the yearly average. What a phone draws counts as drawn when it is
spent, though it was charged before.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autoscale.arrays import Floats, Indices, Numbers
from autoscale.carbon import (
    CarbonAccount,
    Intensity,
    IntensitySource,
    Machine,
    data_centre_pue,
    device_footprint,
    load_network_share,
)
from autoscale.carbon.intensity.shapes import HOURS
from autoscale.carbon.network_share import MEDIUM_OF_RADIO
from autoscale.physics.carbon import CarbonRates
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR
from autoscale_envs.worlds.parameters import WorldParameters


@dataclass(frozen=True, slots=True)
class Region:
    """A country or grid zone by its code, the cloud region that serves it, its weight, and hours ahead of UTC."""

    code: str
    cloud: str
    weight: float
    ahead_h: float


REGIONS: Final = (
    Region("IN-WE", "gcp:asia-south1", 0.21, 5.5),
    Region("IN-NO", "gcp:asia-south1", 0.13, 5.5),
    Region("US-MIDA-PJM", "gcp:us-east4", 0.09, -5.0),
    Region("US-TEX-ERCO", "gcp:us-south1", 0.04, -6.0),
    Region("US-CAL-CISO", "gcp:us-west2", 0.06, -8.0),
    Region("IDN", "gcp:asia-southeast2", 0.12, 7.0),
    Region("BRA", "gcp:southamerica-east1", 0.11, -3.0),
    Region("JP-TK", "gcp:asia-northeast1", 0.08, 9.0),
    Region("DEU", "gcp:europe-west3", 0.06, 1.0),
    Region("GBR", "gcp:europe-west2", 0.05, 0.0),
    Region("FRA", "gcp:europe-west9", 0.05, 1.0),
)
WEIGHTS: Final = tuple(each.weight for each in REGIONS)


@dataclass(frozen=True)
class Grid:
    """What a device of one model on one link emits through a day of one month.

    A place is a region and an hour of the day, UTC: number ``HOURS * region + hour``.

    Attributes:
        ends: low, mid and high; in each the fields of ``CarbonRates``, one a place, or one where all are the same.
        device_mg_per_kwh: intensity of the device's and the network's electricity, shape (places,).
        remote_mg_per_kwh: of the data centre's.
        methods: of each region, figure to how it is known, of a query that leaves the device.
    """

    ends: tuple[tuple[Numbers, ...], ...]
    device_mg_per_kwh: Indices
    remote_mg_per_kwh: Indices
    methods: tuple[dict[str, Method], ...]

    def rates(self, place: Indices) -> list[CarbonRates]:
        """Low, mid and high rates of some queries: each field an array in the shape of ``place``, or one number."""
        return [CarbonRates(*(each.take(place) if each.ndim else each for each in end)) for end in self.ends]


class RegionGrids:
    """The grids of a world's device on its link to the cloud, each made when its month comes.

    Args:
        parameters: of the world.
        source: tells intensities.
    """

    def __init__(self, parameters: WorldParameters, source: IntensitySource) -> None:
        self._source = source
        (server,) = (parameters.remotes[at] for at in parameters.servers)
        self._network = load_network_share(MEDIUM_OF_RADIO[server.link.radio_name], source.kind)
        self._embodied = tuple(device_footprint(each).g_per_s() for each in (parameters.device, server.machine))
        self._grids: dict[tuple[int, int], Grid] = {}

    def of(self, year: int, month: int) -> Grid:
        """The grid of a month, 1 to 12."""
        if (year, month) not in self._grids:
            self._grids[year, month] = self._made(year, month)
        return self._grids[year, month]

    def _made(self, year: int, month: int) -> Grid:
        home, remote = (
            self._intensities([getattr(each, name) for each in REGIONS], year, month) for name in ("code", "cloud")
        )
        accounts = [self._account(*each) for each in zip(home, remote, pues().repeat(HOURS).tolist(), strict=True)]
        ends = tuple(_rates(accounts, end) for end in ("low", "mid", "high"))
        return Grid(ends, _mg_per_kwh(home), _mg_per_kwh(remote), tuple(each.methods for each in accounts[::HOURS]))

    def _intensities(self, codes: list[str], year: int, month: int) -> list[Intensity]:
        hours_s = [datetime(year, month, 1, hour, tzinfo=UTC).timestamp() for hour in range(HOURS)]
        return [self._source.at(code, time_s) for code in codes for time_s in hours_s]

    def _account(self, home: Intensity, remote: Intensity, pue: float) -> CarbonAccount:
        own, server = self._embodied
        return CarbonAccount(Machine(home, own), self._network, None, Machine(remote, server, pue))


@cache
def pues() -> Floats:
    """Power usage effectiveness of the data centre that serves each region, as its provider publishes it."""
    return np.array([data_centre_pue(each.cloud) for each in REGIONS])


def mean_pue() -> float:
    """Of a query's data centre, regions by their weights: what a table that is the same in all of them reckons with."""
    return float(np.average(pues(), weights=WEIGHTS))


def place_of(region: Indices, time_s: Floats) -> Indices:
    """The number of a region at times since midnight UTC, in the shape that the two make."""
    return np.asarray(region * HOURS + (time_s * (1.0 / SECONDS_PER_HOUR)).astype(np.intp))


def _rates(accounts: list[CarbonAccount], end: str) -> tuple[Floats, ...]:
    """The fields of ``CarbonRates`` over accounts; one number where they are all the same."""
    each = [getattr(account, end) for account in accounts]
    fields = (np.array([getattr(rates, name) for rates in each]) for name in CarbonRates.__dataclass_fields__)
    return tuple(_once(field) for field in fields)


def _once(values: NDArray[np.float64]) -> Floats:
    return np.asarray(values[0]) if (values == values[0]).all() else values


def _mg_per_kwh(intensities: list[Intensity]) -> Indices:
    return np.rint([1000.0 * each.g_per_kwh for each in intensities]).astype(np.intp)
