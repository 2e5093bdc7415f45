"""Makes the hosts of ``devices/embodied/instances.toml`` anew: cloud instances as shares of their hosts.

Run beside the recorded lists of Cloud Carbon Footprint::

    python -m benchmarks.embodied_facts ../shared/data/embodied_carbon/ccf
"""

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEVICES: Final = Path(__file__).parents[1] / "devices" / "embodied"
CARDS: Final = {
    "T4": "t4",
    "Tesla V100": "v100-16gb",
    "Tesla A100": "a100-40gb",
    "Tesla K80": "k80",
    "Tesla M60": "m60",
}
"""The cards of AWS that have a footprint of their own; other accelerators are Cloud Carbon Footprint's 150 kg."""
KG_PER_CARD: Final = 150.0


@dataclass(frozen=True)
class Host:
    """A machine that instances are parts of."""

    provider: str
    kg: float
    vcpus: int
    card: str
    cards: int


def _number(cell: str) -> float:
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return 0.0


def _vcpus(cell: str) -> int | float:
    number = _number(cell)
    return int(number) if number.is_integer() else number


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def aws(folder: Path) -> Iterable[tuple[Host, str, float, int]]:
    made = {row["type"]: row for row in _rows(folder / "coefficients-aws-embodied.csv")}
    for row in _rows(folder / "aws-instances.csv"):
        name = row["Instance type"]
        if name in made:
            cards = int(_number(row["Platform GPU Quantity"]))
            card = CARDS.get(row["Platform GPU Name"], "") if cards else ""
            kg = float(made[name]["total"]) - (cards * KG_PER_CARD if card else 0.0)
            host = Host("aws", round(kg, 1), int(row["Platform Total Number of vCPU"]), card, cards if card else 0)
            yield host, name, _vcpus(row["Instance vCPU"]), int(_number(row["Instance Number of GPU"]))


def azure(folder: Path) -> Iterable[tuple[Host, str, float, int]]:
    rows = {row["Virtual Machine"]: row for row in _rows(folder / "azure-instances.csv")}
    for made in _rows(folder / "coefficients-azure-embodied.csv"):
        row = rows.get(made["type"])
        vcpus = _number(row["Platform vCPUs (highest vCPU possible)"]) if row else 0
        if row and vcpus and _number(row["Instance vCPUs"]):
            host = Host("azure", round(float(made["total"]), 1), int(vcpus), "", 0)
            yield host, made["type"], _held(row, vcpus), 0


def _held(row: dict[str, str], vcpus: float) -> float:
    """An instance of fewer cores than its memory is cut for holds the cores too: nobody else can have them."""
    if row["Series"].startswith("Constrained"):
        return round(vcpus * _number(row["Instance Memory"]) / _number(row["Platform Memory"]), 2)
    return _vcpus(row["Instance vCPUs"])


def gcp(folder: Path) -> Iterable[tuple[Host, str, float, int]]:
    made = {row["type"]: float(row["total_mean"]) for row in _rows(folder / "coefficients-gcp-embodied-mean.csv")}
    for row in _rows(folder / "gcp-instances.csv"):
        name = row["Machine type"]
        vcpus = _number(row["Platform vCPUs (highest vCPU possible)"])
        if name in made and vcpus and _number(row["Instance vCPUs"]):
            is_a2 = name.startswith("a2-")
            cards = 16 if is_a2 else 0
            kg = made[name] - cards * KG_PER_CARD
            host = Host("gcp", round(kg, 1), int(vcpus), "a100-40gb" if is_a2 else "", cards)
            yield host, name, _vcpus(row["Instance vCPUs"]), int(_number(row["Instance GPUs"]))


def as_toml(folder: Path) -> str:
    hosts: dict[Host, dict[str, Any]] = defaultdict(dict)
    for read in (aws, azure, gcp):
        for host, name, vcpus, cards in read(folder):
            hosts[host].setdefault(name, [vcpus, cards] if host.card else vcpus)
    lines = []
    for host, instances in hosts.items():
        card = f'card = "{host.card}"\ncards = {host.cards}\n' if host.card else ""
        cells = ", ".join(f'"{name}" = {held}' for name, held in instances.items())
        lines.append(
            f'[[hosts]]\nprovider = "{host.provider}"\nkg = {host.kg:g}\nvcpus = {host.vcpus}\n{card}'
            f'source = "ccf"\ninstances = {{ {cells} }}\n'
        )
    return "\n".join(lines)


if __name__ == "__main__":
    path = DEVICES / "instances.toml"
    head, _, _ = path.read_text(encoding="utf-8").partition("[[hosts]]")
    path.write_text(head + as_toml(Path(sys.argv[1])), encoding="utf-8")
