"""Devices, servers and links as data: every number with its unit, its source and how it is known.

>>> from autoscale.profiles import load_device
>>> phone = load_device("mi8pro")
>>> round(phone.processors["cpu"].busy_w(threads=4), 1)
5.5
>>> phone.source_of("gpu.busy_w").unit
'W'
"""

from typing import TYPE_CHECKING

from autoscale.lazy import lazy_names

if TYPE_CHECKING:
    from autoscale.profiles.device import DeviceProfile, Embodied, Memory, Thermal
    from autoscale.profiles.figure import Figure
    from autoscale.profiles.folder import load_device, load_link
    from autoscale.profiles.link import LinkProfile
    from autoscale.profiles.processor import Processor, Speed
    from autoscale.profiles.radio import Radio
    from autoscale.profiles.shipped import device_names, link_names

__all__ = [
    "DeviceProfile",
    "Embodied",
    "Figure",
    "LinkProfile",
    "Memory",
    "Processor",
    "Radio",
    "Speed",
    "Thermal",
    "device_names",
    "link_names",
    "load_device",
    "load_link",
]

__getattr__ = lazy_names(
    __name__,
    {
        "autoscale.profiles.device": "DeviceProfile Embodied Memory Thermal",
        "autoscale.profiles.figure": "Figure",
        "autoscale.profiles.folder": "load_device load_link",
        "autoscale.profiles.link": "LinkProfile",
        "autoscale.profiles.processor": "Processor Speed",
        "autoscale.profiles.radio": "Radio",
        "autoscale.profiles.shipped": "device_names link_names",
    },
)
