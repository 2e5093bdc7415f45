"""Meters: what is spent.

>>> from autoscale_runtime.meters import best_meter
>>> meter, reason = best_meter("mi8pro", names=["modelled"])
>>> reading = meter.end(meter.begin())
>>> reading.method.value, reading.source
('modelled', "power table 'mi8pro'")
"""

from typing import TYPE_CHECKING

from autoscale.lazy import lazy_names

if TYPE_CHECKING:
    from autoscale_runtime.meters.attributed import AttributedMeter
    from autoscale_runtime.meters.base import METERS, CounterMeter, Mark, Meter, Reading
    from autoscale_runtime.meters.choice import MeterChoice, best_meter
    from autoscale_runtime.meters.modelled import ModelledMeter
    from autoscale_runtime.meters.null import NullMeter
    from autoscale_runtime.meters.replay import ReplayMeter

__all__ = [
    "METERS",
    "AttributedMeter",
    "CounterMeter",
    "Mark",
    "Meter",
    "MeterChoice",
    "ModelledMeter",
    "NullMeter",
    "Reading",
    "ReplayMeter",
    "best_meter",
]

__getattr__ = lazy_names(
    __name__,
    {
        "autoscale_runtime.meters.attributed": "AttributedMeter",
        "autoscale_runtime.meters.base": "METERS CounterMeter Mark Meter Reading",
        "autoscale_runtime.meters.choice": "MeterChoice best_meter",
        "autoscale_runtime.meters.modelled": "ModelledMeter",
        "autoscale_runtime.meters.null": "NullMeter",
        "autoscale_runtime.meters.replay": "ReplayMeter",
    },
)
