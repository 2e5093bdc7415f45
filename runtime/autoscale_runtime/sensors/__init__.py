"""Sensors: what is seen.

>>> from autoscale_runtime.sensors import SensorHub, host_sensors
>>> with SensorHub(host_sensors(["cloud"]), links=["cloud"]) as hub:
...     hub.transferred("cloud", sent_bytes=100_000, received_bytes=1_000, elapsed_s=0.08)
...     link = hub.now({"cloud": True}).link("cloud")
>>> link.is_up, link.uplink_bps is not None
(True, True)
"""

from typing import TYPE_CHECKING

from autoscale.lazy import lazy_names

if TYPE_CHECKING:
    from autoscale_runtime.sensors.base import NOTHING_SENSED, SENSORS, Sensor, host_sensors
    from autoscale_runtime.sensors.hub import SensorHub
    from autoscale_runtime.sensors.links import LinkEstimator, TransferTime
    from autoscale_runtime.sensors.load import LoadSensor
    from autoscale_runtime.sensors.replay import ReplaySensor, record, watch

__all__ = [
    "NOTHING_SENSED",
    "SENSORS",
    "LinkEstimator",
    "LoadSensor",
    "ReplaySensor",
    "Sensor",
    "SensorHub",
    "TransferTime",
    "host_sensors",
    "record",
    "watch",
]

__getattr__ = lazy_names(
    __name__,
    {
        "autoscale_runtime.sensors.base": "NOTHING_SENSED SENSORS Sensor host_sensors",
        "autoscale_runtime.sensors.hub": "SensorHub",
        "autoscale_runtime.sensors.links": "LinkEstimator TransferTime",
        "autoscale_runtime.sensors.load": "LoadSensor",
        "autoscale_runtime.sensors.replay": "ReplaySensor record watch",
    },
)
