"""The rivals of a comparison in tables of measurements, and why some of them cannot take part there."""

from collections.abc import Iterable, Mapping
from typing import Final

from autoscale.agents.base import AGENTS
from autoscale.agents.fixed import Fixed
from autoscale.query.target import Target
from autoscale_envs.evaluation.contestants import RIVALS, rivals
from autoscale_envs.evaluation.deep import DEEP
from autoscale_envs.measured.contestants import RULES
from autoscale_envs.measured.table import MeasuredTable

BY_FORECAST: Final = "device-best"


def measured_rivals(tables: Iterable[MeasuredTable], is_told: bool) -> tuple[tuple[str, ...], dict[str, str]]:
    """Those of ``RIVALS`` who can play in some table, and the others, each with what it lacks.

    Args:
        tables: what was measured.
        is_told: whether agents have a profile's forecast.
    """
    targets = [target for table in tables for target in table.targets]
    lacks = rivals()[1] | {name: why for name in RIVALS if (why := what_lacks(name, targets, is_told))}
    return tuple(name for name in RIVALS if name not in lacks), _in_order(lacks)


def what_lacks(name: str, targets: Iterable[Target], is_told: bool) -> str:
    """Why an agent cannot play in a table of these targets, in words; empty where it can."""
    if name in DEEP:
        return "it is trained in the simulator, which knows nothing of a table"
    if name == BY_FORECAST and not is_told:
        return "it goes by a forecast alone, and without --profile every target's is the same"
    missing = missing_target(name, targets)
    return f"it needs {missing}, and the table has none" if missing else ""


def missing_target(name: str, targets: Iterable[Target]) -> str:
    """What an agent needs of which there is none among the targets, in words; empty where it can choose."""
    kind = AGENTS.get(name) if name in AGENTS.names() and name not in RULES else None
    if kind is None or not issubclass(kind, Fixed) or any(kind.wants(target) for target in targets):
        return ""
    return str(kind.kind)


def _in_order(lacks: Mapping[str, str]) -> dict[str, str]:
    return {name: lacks[name] for name in RIVALS if name in lacks}
