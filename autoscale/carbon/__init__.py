"""Carbon: what electricity carries where and when, what is embodied in the machines, and what a query has of both.

>>> YearlyAverages().at("gcp:europe-north1", time_s=0.0).g_per_kwh
68.0
"""

from typing import TYPE_CHECKING

from autoscale.lazy import lazy_names

if TYPE_CHECKING:
    from autoscale.carbon.account import CarbonAccount, Machine
    from autoscale.carbon.buildings import data_centre_pue
    from autoscale.carbon.embodied.act import Act
    from autoscale.carbon.embodied.footprint import Footprint, device_footprint, product_footprint
    from autoscale.carbon.intensity.base import Intensity, IntensitySource
    from autoscale.carbon.intensity.charge_mix import ChargeMix
    from autoscale.carbon.intensity.electricity import Electricity
    from autoscale.carbon.intensity.given import GivenIntensity
    from autoscale.carbon.intensity.hourly import HourlyIntensity
    from autoscale.carbon.intensity.typical import TypicalHours
    from autoscale.carbon.intensity.yearly import YearlyAverages
    from autoscale.carbon.network_share import NetworkShare, load_network_share
    from autoscale.interval import Interval

__all__ = [
    "Act",
    "CarbonAccount",
    "ChargeMix",
    "Electricity",
    "Footprint",
    "GivenIntensity",
    "HourlyIntensity",
    "Intensity",
    "IntensitySource",
    "Interval",
    "Machine",
    "NetworkShare",
    "TypicalHours",
    "YearlyAverages",
    "data_centre_pue",
    "device_footprint",
    "load_network_share",
    "product_footprint",
]

__getattr__ = lazy_names(
    __name__,
    {
        "autoscale.carbon.account": "CarbonAccount Machine",
        "autoscale.carbon.buildings": "data_centre_pue",
        "autoscale.carbon.embodied.act": "Act",
        "autoscale.carbon.embodied.footprint": "Footprint device_footprint product_footprint",
        "autoscale.carbon.intensity.base": "Intensity IntensitySource",
        "autoscale.carbon.intensity.charge_mix": "ChargeMix",
        "autoscale.carbon.intensity.electricity": "Electricity",
        "autoscale.carbon.intensity.given": "GivenIntensity",
        "autoscale.carbon.intensity.hourly": "HourlyIntensity",
        "autoscale.carbon.intensity.typical": "TypicalHours",
        "autoscale.carbon.intensity.yearly": "YearlyAverages",
        "autoscale.carbon.network_share": "NetworkShare load_network_share",
        "autoscale.interval": "Interval",
    },
)
