"""``autoscale carbon footprint``."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from autoscale.carbon import Act, Footprint, Interval, device_footprint, product_footprint
from autoscale.carbon.embodied.act import Logic
from autoscale.carbon.embodied.bill_of_materials import (
    BillOfMaterials,
    Item,
    bill_footprint,
    bill_names,
    is_bill,
    load_bill,
)
from autoscale.carbon.embodied.facts import read_embodied_facts
from autoscale.carbon.embodied.footprint import parts_of
from autoscale.carbon.embodied.instances import find_instance, instance_footprint, instance_names
from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput, UnknownName, nearest
from autoscale.profiles import DeviceProfile, device_names, load_device
from autoscale.profiles.shipped import is_file, shipped_name
from autoscale.units import SECONDS_PER_HOUR, SECONDS_PER_YEAR

_THING = typer.Argument(
    help="A product (h100, iphone-14-128gb), a cloud instance (aws:m5.large), a device, a bill of materials; or a "
    ".toml file of one.",
    show_default=False,
)


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a machine an hour takes: the fraction of its life that it is used, and of it that is reserved."""

    utilisation: float
    share: float


@dataclass(frozen=True, slots=True)
class Made:
    """What is shown: a machine's footprint, and each of its parts from the bottom up where they are known."""

    title: str
    footprint: Footprint
    parts: tuple[tuple[Item, Interval], ...] = ()

    def g_per_hour(self, use: Use) -> Interval:
        """Grams of CO2e of its making that an hour carries."""
        return self.footprint.g_per_s(use.utilisation, use.share) * SECONDS_PER_HOUR


def footprint(
    thing: Annotated[str | None, _THING] = None,
    kg: Annotated[
        float | None,
        typer.Option(min=0.0, help="Instead of a thing: its embodied emissions, kg CO2e.", show_default=False),
    ] = None,
    lifetime_years: Annotated[
        float | None, typer.Option(help="Expected life; else the thing's own.", show_default=False)
    ] = None,
    utilisation: Annotated[
        float, typer.Option(help="Fraction of its life in use; below 1, use carries the idle time too.")
    ] = 1.0,
    share: Annotated[float, typer.Option(help="Fraction of the machine that is reserved.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """What making a machine emitted, and grams of it for each hour reserved; without a thing: what there is.

    Says low, mid and high, whether its maker's report or the sum of its chips
    (ACT) was used and why, over which life, and who says so. An hour carries TE
    * TiR / EL * RR / ToR (SCI, ISO/IEC 21031:2024).

    Example: autoscale carbon footprint poweredge-r740 --share 0.25
    --utilisation 0.5

    SCI's worked value, 28.5 g an hour: autoscale carbon footprint --kg 1000
    --lifetime-years 4
    """
    if thing is None and kg is None:
        print_json(_choices()) if as_json else _show_choices()
        return
    made, use = _made(thing, kg, lifetime_years), Use(utilisation, share)
    print_json(_plain(made, use)) if as_json else _show(made, use)


def _made(thing: str | None, kg: float | None, lifetime_years: float | None) -> Made:
    if thing is not None and kg is not None:
        raise InvalidInput(f"both '{thing}' and --kg {kg:g} are given; allowed: one of them")
    if lifetime_years is not None and not 0.0 < lifetime_years < float("inf"):
        raise InvalidInput(f"--lifetime-years is {lifetime_years:g}; allowed: above 0")
    if kg is not None:
        return _given(kg, lifetime_years)
    made = _find(str(thing))
    if lifetime_years is None:
        return made
    return replace(made, footprint=replace(made.footprint, life_s=Interval.exactly(lifetime_years * SECONDS_PER_YEAR)))


def _given(kg: float, lifetime_years: float | None) -> Made:
    if not math.isfinite(kg):
        raise InvalidInput(f"--kg is {kg:g}; allowed: 0 or more")
    if lifetime_years is None:
        raise InvalidInput("--kg says nothing of a life; allowed: with --lifetime-years")
    life_s = Interval.exactly(lifetime_years * SECONDS_PER_YEAR)
    return Made("As given", Footprint(Interval.exactly(kg), life_s, "reported", "the command line", "as --kg says"))


def _find(thing: str) -> Made:
    if is_file(thing):
        return _of_bill(load_bill(thing)) if is_bill(thing) else _of_device(load_device(thing))
    products, bills = list(read_embodied_facts("products").tables), bill_names()
    instance = find_instance(thing)
    if instance is not None and thing not in products:
        return Made(instance.name, instance_footprint(thing))
    known = _shipped(thing, [*products, *device_names(), *bills])
    if known in products:
        return Made(known, product_footprint(known))
    return _of_bill(load_bill(known)) if known in bills else _of_device(load_device(known))


def _shipped(thing: str, names: list[str]) -> str:
    try:
        return shipped_name("thing", thing, names)
    except UnknownName:
        instances = instance_names()
        hint = nearest(thing, [*names, *instances, *(each.partition(":")[2] for each in instances)])
        kinds = "a product, a device or a bill of materials, as autoscale carbon footprint lists them"
        text = f"unknown thing '{thing}'{hint}; allowed: {kinds}, or a cloud instance, as aws:m5.large"
        raise UnknownName(text) from None


def _of_device(profile: DeviceProfile) -> Made:
    act = Act()
    items = (Item(_name(part), part) for part in parts_of(profile))
    return Made(profile.title, device_footprint(profile, act), tuple((item, item.kg(act)) for item in items))


def _of_bill(bill: BillOfMaterials) -> Made:
    act = Act()
    return Made(bill.title, bill_footprint(bill, act), tuple((item, item.kg(act)) for item in bill.items))


def _name(part: Any) -> str:
    if isinstance(part, Logic):
        return f"logic, {part.area_mm2:g} mm2 at {part.node_nm:g} nm"
    return f"{part.kind}, {part.capacity_gb:g} GB of {part.process}"


def _plain(made: Made, use: Use) -> dict[str, Any]:
    its = made.footprint
    return {
        "title": made.title,
        "kg": asdict(its.kg),
        "basis": its.basis,
        "why": its.why,
        "source": its.source,
        "lifetime_years": asdict(its.life_s * (1.0 / SECONDS_PER_YEAR)),
        "utilisation": use.utilisation,
        "share": use.share,
        "g_per_hour": asdict(made.g_per_hour(use)),
        "parts": [{"name": item.name, "count": item.count, "kg": asdict(kg)} for item, kg in made.parts],
    }


def _show(made: Made, use: Use) -> None:
    its, console = made.footprint, Console(highlight=False, markup=False)
    years = its.life_s * (1.0 / SECONDS_PER_YEAR)
    table = Table("", "low", "mid", "high", title=made.title)
    table.add_row("embodied, kg CO2e", *_cells(its.kg))
    table.add_row("expected life, years", *reversed(_cells(years)))
    table.add_row("an hour reserved, g CO2e", *_cells(made.g_per_hour(use)))
    console.print(table)
    console.print(
        f"utilisation {use.utilisation:g}, share {use.share:g}; low is spread over the long life, high over the short"
    )
    console.print(f"{its.basis}: {its.why}")
    console.print(f"source: {its.source}")
    if made.parts:
        _show_parts(made, console)


def _show_parts(made: Made, console: Console) -> None:
    table = Table("part", "count", "low", "mid", "high", title="From the bottom up (ACT), kg CO2e")
    for item, kg in made.parts:
        table.add_row(item.name, str(item.count), *_cells(kg))
    table.add_section()
    table.add_row("together", "", *_cells(sum((kg for _, kg in made.parts), Interval.exactly(0.0))))
    console.print(table)


def _cells(span: Interval) -> list[str]:
    return [f"{each:.4g}" for each in (span.low, span.mid, span.high)]


def _choices() -> list[dict[str, Any]]:
    products = [
        (name, "product", Made(name, product_footprint(name))) for name in read_embodied_facts("products").tables
    ]
    devices = [(name, "device", _find(name)) for name in device_names()]
    bills = [(name, "bill of materials", _find(name)) for name in bill_names()]
    return [
        {
            "name": name,
            "what": what,
            "title": made.title,
            "kg": asdict(made.footprint.kg),
            "basis": made.footprint.basis,
        }
        for name, what, made in (*products, *devices, *bills)
    ]


def _show_choices() -> None:
    table = Table("name", "what", "kg CO2e", "low to high", "basis", title="autoscale carbon footprint NAME shows one")
    for each in _choices():
        kg = each["kg"]
        table.add_row(
            each["name"], each["what"], f"{kg['mid']:.4g}", f"{kg['low']:.4g} to {kg['high']:.4g}", each["basis"]
        )
    Console().print(table)
