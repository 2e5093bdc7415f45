"""Bills of materials: the chips of a machine, and what making them emitted by ACT.

A file names its parts; each is logic, DRAM, flash or disk, in packages of 150 g, and may be there more than once::

    schema = 1
    title = "My server"
    kind = "server"            # whose expected life it has: a kind of devices/embodied/products.toml
    source = "its maker's list of parts"

    [[parts]]
    name = "CPU"
    logic_mm2 = 698            # area of the die, and its process
    node_nm = 14
    count = 2

    [[parts]]
    name = "memory"
    dram = "ddr4_10nm"         # a process of devices/embodied/act.toml; likewise flash and disk
    capacity_gb = 32
    count = 12

>>> chips = load_bill("fairphone-3-chips")
>>> [(item.name, item.count) for item in chips.items][:2]
[('CPU', 1), ('DRAM', 1)]
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from autoscale.carbon.embodied.act import Act, Logic, Part, Storage
from autoscale.carbon.embodied.footprint import Footprint, product_footprint
from autoscale.errors import ProfileError, listing
from autoscale.interval import ZERO_RANGE, Interval
from autoscale.profiles.folder import devices_folder, shipped_name

VERSION: Final = 1
_HEAD: Final = {"schema", "title", "kind", "source", "parts"}
_STORAGES: Final[tuple[Literal["dram", "flash", "disk"], ...]] = ("dram", "flash", "disk")
_LOGIC_KEYS: Final = {"name", "count", "packages", "logic_mm2", "node_nm"}
_STORAGE_KEYS: Final = {"name", "count", "packages", "capacity_gb"}


@dataclass(frozen=True, slots=True)
class Item:
    """A part, what people call it, and how many there are."""

    name: str
    part: Part
    count: int = 1

    def kg(self, act: Act) -> Interval:
        """kgCO2e of all of them.

        Raises:
            InvalidInput: a process that ACT has no figures for, a negative amount.
        """
        return act.part_kg(self.part) * self.count


@dataclass(frozen=True, slots=True)
class BillOfMaterials:
    """What a machine is made of.

    Attributes:
        title: what people call it.
        kind: whose expected life it has, as in ``product_footprint``.
        source: where the parts are from.
        items: the parts.
    """

    title: str
    kind: str
    source: str
    items: tuple[Item, ...]


def bill_names() -> list[str]:
    """The bills that ship with AutoScale, sorted."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load_bill(name_or_path: str | Path) -> BillOfMaterials:
    """Read a bill by name or from a ``.toml`` file of your own.

    Raises:
        UnknownName: no bill of that name ships; the message names the nearest.
        ProfileError: the file cannot be read, or a part is wrong: the message names it.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        path = Path(name_or_path)
    else:
        path = _folder() / f"{shipped_name('bill of materials', name_or_path, bill_names())}.toml"
    document = _document(path)
    parts = document.get("parts")
    if set(document) != _HEAD or document["schema"] != VERSION or not isinstance(parts, list) or not parts:
        raise ProfileError(f"{path}: allowed: schema = {VERSION}, title, kind, source, and one or more [[parts]]")
    items = tuple(_item(f"{path}, part {number}", entry) for number, entry in enumerate(parts, start=1))
    return BillOfMaterials(str(document["title"]), str(document["kind"]), str(document["source"]), items)


def is_bill(path: str | Path) -> bool:
    """Whether a file lists parts, as no other file of AutoScale does.

    Raises:
        ProfileError: it cannot be read as TOML.
    """
    return "parts" in _document(Path(path))


def bill_footprint(bill: BillOfMaterials, act: Act | None = None) -> Footprint:
    """The footprint of a machine by its parts: what is not in the bill (boards, case, screen, transport) is not in it.

    Raises:
        UnknownName: a kind of machine that has no expected life.
        InvalidInput: a part that ACT has no figures for.
    """
    act = act or Act()
    life_s = product_footprint(bill.kind).life_s
    kg = sum((item.kg(act) for item in bill.items), ZERO_RANGE)
    why = "no report on the whole machine was given: the sum of its parts, and of nothing that is not on the bill"
    return Footprint(kg, life_s, "bottom-up", f"{act.facts.sources['act']}; parts: {bill.source}", why)


def _folder() -> Path:
    return devices_folder() / "embodied" / "bills"


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} cannot be read as TOML: {error}") from error


def _item(at: str, entry: Any) -> Item:
    if not isinstance(entry, dict):
        raise ProfileError(f"{at} is {entry!r}; allowed: a table")
    stores = [kind for kind in _STORAGES if kind in entry]
    allowed = _LOGIC_KEYS if "logic_mm2" in entry else _STORAGE_KEYS | set(stores[:1])
    needed = allowed - {"name", "count", "packages"}
    if not set(entry) <= allowed or not needed <= set(entry) or ("logic_mm2" in entry) == bool(stores):
        raise ProfileError(
            f"{at} has {listing(sorted(entry))}; allowed: logic_mm2 and node_nm, or one of dram, flash and disk with "
            "capacity_gb; beside them name, count, packages"
        )
    count, packages = (_whole(at, entry, key) for key in ("count", "packages"))
    if not stores:
        part: Part = Logic(_amount(at, entry, "logic_mm2"), _amount(at, entry, "node_nm"), packages)
        return Item(str(entry.get("name", f"logic, {entry['node_nm']} nm")), part, count)
    process = str(entry[stores[0]])
    part = Storage(stores[0], process, _amount(at, entry, "capacity_gb"), packages)
    return Item(str(entry.get("name", f"{stores[0]}, {process}")), part, count)


def _amount(at: str, entry: Mapping[str, Any], key: str) -> float:
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < float("inf"):
        raise ProfileError(f"{at}: {key} is {value!r}; allowed: a number, 0 or more")
    return float(value)


def _whole(at: str, entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key, 1)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ProfileError(f"{at}: {key} is {value!r}; allowed: a whole number, 0 or more")
    return value
