"""Where the files that ship are, and what is meant by a name; reads none of them."""

from collections.abc import Sequence
from pathlib import Path

from autoscale.errors import check_type, one_of


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
