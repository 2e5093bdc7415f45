"""Loading a device or a link, by name or by path."""

import logging
from functools import cache
from pathlib import Path
from typing import Final

from autoscale.profiles.device import DeviceProfile, device_from
from autoscale.profiles.link import LinkProfile, link_from
from autoscale.profiles.measured import TABLE as MEASURED
from autoscale.profiles.measured import measured_rows
from autoscale.profiles.model_profile_codec import NETWORKS, own_networks
from autoscale.profiles.reader import facts_of, read_facts
from autoscale.profiles.schema import DEVICE, LINK, VERSION
from autoscale.profiles.shipped import devices_folder, find
from autoscale.profiles.toml_table import TomlTable, read_toml

_LOG: Final = logging.getLogger("autoscale.profiles")


def load_device(name_or_path: str | Path) -> DeviceProfile:
    """Read a device by name (``moto-x-force``, also ``moto_x_force``) or from a ``.toml`` file of your own.

    Raises:
        UnknownName: no device of that name ships; the message names the nearest.
        ProfileError: the file does not follow the schema.
    """
    return read_device(read_toml(find("device", name_or_path, devices_folder())))


def read_device(document: TomlTable) -> DeviceProfile:
    """The device of a file that is read already.

    Raises:
        ProfileError: it does not follow the schema.
    """
    document.schema(VERSION)
    facts = facts_of(document, DEVICE, ignored=("schema", MEASURED, NETWORKS))
    device = device_from(facts, measured_rows(document, document.sources()), own_networks(document))
    if device.incomplete:
        _warn(f"{document.path} is an incomplete calibration: {device.incomplete}")
    return device


@cache
def _warn(text: str) -> None:
    """Once a process: whoever opens a session reads its file several times."""
    _LOG.warning("%s", text)


def load_link(name_or_path: str | Path) -> LinkProfile:
    """Read a link by name (``wifi``, ``lte``) or from a ``.toml`` file of your own.

    Raises:
        UnknownName: no link of that name ships; the message names the nearest.
        ProfileError: the file does not follow the schema.
    """
    return link_from(read_facts(find("link", name_or_path, devices_folder() / "links"), LINK))
