"""Where the devices are, and the data centre that answers them.

Eight large countries, weighted by about how many of their people have a smartphone; the time is that of most of them.
Carbon intensities are the yearly averages that ship with AutoScale, low and high with them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.carbon import CarbonAccount, Intensity, Machine, YearlyAverages, device_footprint, load_network_share
from autoscale.carbon.account import Rates
from autoscale.carbon.network import MEDIUM_OF_RADIO
from autoscale.forecast import Floats, Indices
from autoscale.outcome import Method
from autoscale.profiles import load_device
from autoscale_envs.intensity import PUE
from autoscale_envs.tables import CLOUD, Tables


@dataclass(frozen=True, slots=True)
class Region:
    """A country by its ISO 3166-1 code, the cloud region that serves it, its weight, and hours ahead of UTC."""

    code: str
    cloud: str
    weight: float
    ahead_h: float


REGIONS: Final = (
    Region("IND", "gcp:asia-south1", 0.34, 5.5),
    Region("USA", "gcp:us-central1", 0.19, -6.0),
    Region("IDN", "gcp:asia-southeast2", 0.12, 7.0),
    Region("BRA", "gcp:southamerica-east1", 0.11, -3.0),
    Region("JPN", "gcp:asia-northeast1", 0.08, 9.0),
    Region("DEU", "gcp:europe-west3", 0.06, 1.0),
    Region("GBR", "gcp:europe-west2", 0.05, 0.0),
    Region("FRA", "gcp:europe-west9", 0.05, 1.0),
)
WEIGHTS: Final = tuple(each.weight for each in REGIONS)


@dataclass(frozen=True)
class Grid:
    """What a device of one model on one link emits in each region.

    Attributes:
        ends: low, mid and high; in each the fields of ``Rates``, shape (7, regions).
        device_mg_per_kwh: intensity of the device's and the network's electricity, shape (regions,).
        remote_mg_per_kwh: of the data centre's.
        methods: figure to how it is known, of a query that leaves the device.
    """

    ends: tuple[Floats, Floats, Floats]
    device_mg_per_kwh: Indices
    remote_mg_per_kwh: Indices
    methods: dict[str, Method]

    def rates(self, region: Indices) -> list[Rates]:
        """Low, mid and high rates of some devices: each field an array in the shape of ``region``."""
        return [Rates(*end.take(region, axis=1)) for end in self.ends]


def make_grid(tables: Tables) -> Grid:
    """The grid of a world's device on its link to the cloud."""
    yearly = YearlyAverages()
    at_home = [yearly.at(each.code, 0.0) for each in REGIONS]
    far = [yearly.at(each.cloud, 0.0) for each in REGIONS]
    network = load_network_share(MEDIUM_OF_RADIO[tables.links[1].radio_name], "marginal")
    own, server = (device_footprint(each).g_per_s() for each in (tables.device, load_device(CLOUD)))
    accounts = [
        CarbonAccount(Machine(home, own), network, None, Machine(away, server, PUE))
        for home, away in zip(at_home, far, strict=True)
    ]
    fields = Rates.__dataclass_fields__
    low, mid, high = (
        np.array([[getattr(getattr(each, end), name) for each in accounts] for name in fields])
        for end in ("low", "mid", "high")
    )
    return Grid((low, mid, high), _mg_per_kwh(at_home), _mg_per_kwh(far), accounts[0].methods)


def _mg_per_kwh(intensities: list[Intensity]) -> Indices:
    return np.rint([1000.0 * each.g_per_kwh for each in intensities]).astype(np.intp)
