"""Cloud instances as shares of their hosts, as facts: ``devices/embodied/instances.toml``.

>>> made = instance_footprint("aws:m5.large")
>>> round(made.kg.mid, 1)
33.6
>>> instance_footprint("g4dn.xlarge").why.partition(",")[0]
'4 of 96 vCPUs of its host (1811 kg) and 1 of its 8 cards (56.8 kg each)'
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from autoscale.carbon.embodied.footprint import Footprint, product_footprint
from autoscale.errors import UnknownName, nearest
from autoscale.interval import ZERO_INTERVAL
from autoscale.profiles.shipped import devices_folder
from autoscale.profiles.toml_table import TomlTable, read_toml

VERSION: Final = 1
FILES: Final = ("instances", "instances-since-2023")


@dataclass(frozen=True, slots=True)
class Instance:
    """A part of a host.

    Attributes:
        name: with its provider, as in ``aws:m5.large``.
        vcpus: it has, of ``host_vcpus``.
        host_kg: kgCO2e of making the host, without its cards.
        card: the product that its accelerators are; empty where it has none.
        cards: it has, of ``host_cards``.
        source: the citation.
    """

    name: str
    vcpus: float
    host_vcpus: int
    host_kg: float
    card: str
    cards: int
    host_cards: int
    source: str


def instance_names() -> list[str]:
    """The instances that ship, with their providers, sorted."""
    return sorted({each.name for each in _instances().values()})


def find_instance(spelling: str) -> Instance | None:
    """The instance of a name, with or without its provider, in any case; None where there is none.

    >>> find_instance("Standard_D11_v2").name
    'azure:D11 v2'
    """
    return _instances().get(_plain(spelling))


def instance_footprint(spelling: str) -> Footprint:
    """What of making its host falls on an instance: by its vCPUs, and by its cards.

    Raises:
        UnknownName: no instance of that name; the message names the nearest.
    """
    instance = find_instance(spelling)
    if instance is None:
        hint = nearest(_plain(spelling), _instances())
        raise UnknownName(
            f"unknown instance '{spelling}'{hint}; allowed: one of AWS, Azure, Google Cloud: aws:m5.large"
        )
    server = product_footprint("server")
    share = min(instance.vcpus / instance.host_vcpus, 1.0)
    host = server.kg * (instance.host_kg / server.kg.mid)
    why = f"{instance.vcpus:g} of {instance.host_vcpus} vCPUs of its host ({instance.host_kg:.4g} kg)"
    cards = ZERO_INTERVAL
    if instance.card:
        each = product_footprint(instance.card).kg
        cards = each * instance.cards
        why += f" and {instance.cards} of its {instance.host_cards} cards ({each.mid:.4g} kg each)"
    return Footprint(
        host * share + cards, server.life_s, "bottom-up", instance.source, f"{why}, as its provider sizes it"
    )


@cache
def _instances() -> dict[str, Instance]:
    found: dict[str, Instance] = {}
    for name in FILES:
        document = read_toml(devices_folder() / "embodied" / f"{name}.toml")
        document.schema(VERSION)
        document.check_keys(("schema", "sources", "hosts"), ("title",))
        for instance in _of_hosts(document):
            found.setdefault(_plain(instance.name.partition(":")[2]), instance)
            found.setdefault(_plain(instance.name), instance)
    return found


def _of_hosts(document: TomlTable) -> Iterator[Instance]:
    sources = document.sources()
    for host in document.rows("hosts"):
        host.check_keys(("provider", "kg", "vcpus", "source", "instances"), ("card", "cards"))
        for name, held in host.table("instances").content.items():
            yield _instance(host, name, held, sources[host.one_of("source", sources)])


def _instance(host: TomlTable, name: str, held: Any, source: str) -> Instance:
    vcpus, cards = held if isinstance(held, list) else (held, 0)
    card = host.text("card") if "card" in host else ""
    of = (host.whole("vcpus"), host.number("kg"), card, cards, host.whole("cards") if card else 0)
    return Instance(f"{host.text('provider')}:{name}", vcpus, *of, source)


def _plain(spelling: str) -> str:
    provider, colon, name = spelling.casefold().rpartition(":")
    return f"{provider}{colon}" + name.removeprefix("standard_").replace("_", " ").replace("-", " ").strip()
