"""Carbon: what electricity carries where and when, what making the machines emitted, and what a query has of both.

>>> YearlyAverages().at("gcp:europe-north1", time_s=0.0).g_per_kwh
39.3
"""

from autoscale.carbon.account import CarbonAccount, Machine, QueryCarbon
from autoscale.carbon.act import Act
from autoscale.carbon.battery import ChargeMix
from autoscale.carbon.electricity import Electricity
from autoscale.carbon.embodied import embodied_g
from autoscale.carbon.footprint import Footprint, device_footprint, product_footprint
from autoscale.carbon.given import GivenIntensity
from autoscale.carbon.hourly import HourlyIntensity
from autoscale.carbon.intensity import Intensity, IntensitySource
from autoscale.carbon.network import NetworkShare, load_network_share
from autoscale.carbon.operational import operational_g
from autoscale.carbon.range import Range
from autoscale.carbon.sci import sci_g
from autoscale.carbon.typical import TypicalHours
from autoscale.carbon.yearly import YearlyAverages

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
    "Machine",
    "NetworkShare",
    "QueryCarbon",
    "Range",
    "TypicalHours",
    "YearlyAverages",
    "device_footprint",
    "embodied_g",
    "load_network_share",
    "operational_g",
    "product_footprint",
    "sci_g",
]
