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

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from autoscale.carbon.embodied.act import Act, Logic, Part, Storage
from autoscale.carbon.embodied.footprint import Footprint, product_footprint
from autoscale.errors import ProfileError
from autoscale.interval import ZERO_INTERVAL, Interval
from autoscale.profiles.shipped import devices_folder, find, names
from autoscale.profiles.toml_table import TomlTable, read_toml

VERSION: Final = 1
_OPTIONAL: Final = ("name", "count", "packages")
_STORAGES: Final[tuple[Literal["dram", "flash", "disk"], ...]] = ("dram", "flash", "disk")


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
    return names(_folder())


def load_bill(name_or_path: str | Path) -> BillOfMaterials:
    """Read a bill by name or from a ``.toml`` file of your own.

    Raises:
        UnknownName: no bill of that name ships; the message names the nearest.
        ProfileError: the file cannot be read, or a part is wrong: the message names it.
    """
    document = read_toml(find("bill of materials", name_or_path, _folder()))
    document.schema(VERSION)
    document.check_keys(("schema", "title", "kind", "source", "parts"))
    items = tuple(map(_item, document.rows("parts")))
    if not items:
        raise document.fault("parts", "one or more tables [[parts]]")
    return BillOfMaterials(document.text("title"), document.text("kind"), document.text("source"), items)


def is_bill(path: str | Path) -> bool:
    """Whether a file lists parts, as no other file of AutoScale does.

    Raises:
        ProfileError: it cannot be read as TOML.
    """
    return "parts" in read_toml(path)


def bill_footprint(bill: BillOfMaterials, act: Act | None = None) -> Footprint:
    """The footprint of a machine by its parts: what is not in the bill (boards, case, screen, transport) is not in it.

    Raises:
        UnknownName: a kind of machine that has no expected life.
        InvalidInput: a part that ACT has no figures for.
    """
    act = act or Act()
    life_s = product_footprint(bill.kind).life_s
    kg = sum((item.kg(act) for item in bill.items), ZERO_INTERVAL)
    why = "no report on the whole machine was given: the sum of its parts, and of nothing that is not on the bill"
    return Footprint(kg, life_s, "bottom-up", f"{act.facts.sources['act']}; parts: {bill.source}", why)


def _folder() -> Path:
    return devices_folder() / "embodied" / "bills"


def _item(part: TomlTable) -> Item:
    count, packages = (part.whole(key) if key in part else 1 for key in ("count", "packages"))
    stores = [kind for kind in _STORAGES if kind in part]
    if len(stores) + ("logic_mm2" in part) != 1:
        raise ProfileError(f"{part.path}: {part.name}: allowed: one of logic_mm2, {', '.join(_STORAGES)}")
    if not stores:
        part.check_keys(("logic_mm2", "node_nm"), _OPTIONAL)
        logic = Logic(part.number("logic_mm2"), part.number("node_nm"), packages)
        return Item(_name(part, f"logic, {part.content['node_nm']} nm"), logic, count)
    part.check_keys((stores[0], "capacity_gb"), _OPTIONAL)
    storage = Storage(stores[0], part.text(stores[0]), part.number("capacity_gb"), packages)
    return Item(_name(part, f"{stores[0]}, {storage.process}"), storage, count)


def _name(part: TomlTable, absent: str) -> str:
    return part.text("name") if "name" in part else absent
