"""Devices, servers and links as data: every number with its unit, its source and how it is known.

>>> from autoscale.profiles import load_device
>>> phone = load_device("mi8pro")
>>> round(phone.processors["cpu"].busy_w(threads=4), 1)
5.5
>>> phone.source_of("gpu.busy_w").unit
'W'
"""

from autoscale.profiles.device import DeviceProfile, Embodied, Memory, Thermal
from autoscale.profiles.figure import Figure
from autoscale.profiles.folder import device_names, link_names, load_device, load_link
from autoscale.profiles.link import LinkProfile
from autoscale.profiles.processor import Processor, Speed
from autoscale.profiles.radio import Radio

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
