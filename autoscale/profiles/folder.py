"""Where the device and link files are, and loading one by name or by path."""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from autoscale.errors import check_type, one_of
from autoscale.profiles.device import DeviceProfile, device_from
from autoscale.profiles.link import LinkProfile, link_from
from autoscale.profiles.measured import TABLE as MEASURED
from autoscale.profiles.measured import measured_rows
from autoscale.profiles.model_profile_codec import NETWORKS, own_networks
from autoscale.profiles.reader import facts_of, read_facts
from autoscale.profiles.schema import DEVICE, LINK, VERSION
from autoscale.profiles.toml_table import TomlTable, read_toml

_LOG: Final = logging.getLogger("autoscale.profiles")


def devices_folder() -> Path:
    """``devices`` inside the installed package, or beside it in a source tree."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "devices"
    return installed if installed.is_dir() else package.parent / "devices"


def device_names() -> list[str]:
    """The devices and servers that ship with AutoScale, sorted."""
    return names(devices_folder())


def link_names() -> list[str]:
    """The links that ship with AutoScale, sorted."""
    return names(devices_folder() / "links")


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


def shipped_name(what: str, name: str, known: Sequence[str]) -> str:
    """The name that a spelling stands for: case, ``-``, ``_`` and blanks make no difference.

    >>> shipped_name("device", "Moto_X Force", ["mi8pro", "moto-x-force"])
    'moto-x-force'

    Raises:
        UnknownName: none of the names; the message names the nearest.
    """
    spellings = {_plain(each): each for each in known}
    found = spellings.get(_plain(name), name)
    one_of(what, found, known)
    return found


def is_file(name_or_path: str | Path) -> bool:
    """Whether a file is meant, and not the name of what ships."""
    return isinstance(name_or_path, Path) or name_or_path.endswith(".toml")


def find(what: str, name_or_path: str | Path, folder: Path) -> Path:
    """The file that is meant: one of the caller's own, or in the folder that ships.

    Raises:
        InvalidInput: neither a name nor a path.
        UnknownName: none of the names; the message names the nearest.
    """
    check_type(what, name_or_path, (str, Path), "a name, or a .toml file")
    if is_file(name_or_path):
        return Path(name_or_path)
    return folder / f"{shipped_name(what, str(name_or_path), names(folder))}.toml"


def names(folder: Path) -> list[str]:
    """What ships in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
