"""Live carbon intensities: Electricity Maps, WattTime, Carbon Aware SDK, UK NESO; over the standard library's HTTP.

A live source never fails a query. What it says for a time is, in this order:

1. the sample whose step holds the time: ``measured`` where the source settled it, ``modelled`` where it estimated;
2. the forecast for it (``modelled``);
3. the last sample before it, held for up to ``stale_s`` after its step ended (``modelled``, and ``source`` says so);
4. the fallback, by default the yearly average (``default``).

It asks its server no more often than every ``refresh_s``, and after a failure waits 30 s, then twice as long each time
up to an hour, or as long as the server's ``Retry-After`` says; ``trouble`` is the last failure in words, which sessions
and servers log once, as ``autoscale.grid``. What it got is kept on disk, so that a restart asks nothing that is still
fresh and weeks offline cost accuracy, not answers.

Keys come from the environment, by the names in ``variables``; ``autoscale carbon intensity`` lists them. The figures of
two sources differ in what they count, which ``scope`` says: life-cycle emissions lie above those of the stack.
"""

from autoscale.carbon.intensity.live.base import LiveOptions, LiveSource
from autoscale.carbon.intensity.live.carbon_aware_sdk import CarbonAwareSdk
from autoscale.carbon.intensity.live.electricity_maps import ElectricityMaps
from autoscale.carbon.intensity.live.neso import Neso
from autoscale.carbon.intensity.live.watttime import WattTime

__all__ = ["CarbonAwareSdk", "ElectricityMaps", "LiveOptions", "LiveSource", "Neso", "WattTime"]
