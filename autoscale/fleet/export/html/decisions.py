"""The page of single decisions."""

from collections.abc import Iterable, Mapping
from typing import Any

from autoscale.fleet.export.html.page import framed
from autoscale.fleet.export.html.tables import table
from autoscale.fleet.export.units import joules, mass, percent
from autoscale.fleet.ledger.span import when

_HEAD = ("when, UTC", "device", "network", "chosen", "answered", "chance", "latency", "energy", "remote", "carbon")


def decisions_page(decisions: Iterable[Mapping[str, Any]], controls: str) -> str:
    """Decisions as ``report.decisions`` gives them, as a page."""
    rows = [_row(each) for each in decisions]
    said = "Those of most carbon come first; no device is named." if rows else "No decision in this span."
    listed = table("Decisions", _HEAD, rows, said)
    return framed(f"<header><h1>Single decisions</h1></header>{controls}{listed}")


def _row(each: Mapping[str, Any]) -> list[str]:
    late = " (late)" if each["is_late"] else ""
    return [
        when(each["time_us"]).replace("T", " ").removesuffix("Z"),
        each["device_model"],
        each["model"],
        each["chosen"],
        each["selected"] if each["selected"] != each["chosen"] else "as chosen",
        percent(each["probability_ppb"] / 1e9),
        f"{each['latency_us'] / 1e3:.3g}\xa0ms{late}",
        joules(each["energy_device_uj"]),
        each["region_remote"] or "none",
        mass(each["carbon_ng"]),
    ]
