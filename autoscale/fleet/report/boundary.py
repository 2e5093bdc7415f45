"""What a report's figures hold and what they do not: said beside them, since what is left out is not zero."""

from collections.abc import Iterator

from autoscale.fleet.report.account import Report


def included(report: Report) -> str:
    """What the whole of it is."""
    whole = "queries" if report.fleet is None else "queries, machines that wait, and making that no query carries"
    phases = [each.name for each in report.life_cycle.phases]
    return f"{whole}; beside them {', '.join(phases)}" if phases else whole


def asked_by(devices: str, report: Report) -> str:
    """Whose queries they are: the devices that are named, as a text, and those that nobody can name."""
    if not report.has_unnamed_devices:
        return devices
    return f"{devices} and others that are not named" if report.devices else "devices that are not named"


def who_is_silent(report: Report) -> str:
    """What the devices did that no row names: of sums nobody can tell whose they are."""
    return "in no row, and may have sent sums" if report.has_unnamed_devices else "never reported"


def left_out(report: Report) -> list[str]:
    """One sentence for each thing that is in none of the figures."""
    return [*_machines(report), *_phases(report), "Water, metals and land are left out, and no offset is counted."]


def _machines(report: Report) -> Iterator[str]:
    fleet = report.fleet
    if fleet is None:
        yield "What waiting machines draw, and making that no query carries, are left out: it takes an inventory."
    elif not any(each.machines for role, each in fleet.by_role.items() if role == "remote") and _asks_remotely(report):
        yield "The inventory has no remote machines: what servers draw while they wait is left out."


def _phases(report: Report) -> Iterator[str]:
    if not report.life_cycle.phases:
        yield "Data, experimentation and training are left out: they take a life cycle."


def _asks_remotely(report: Report) -> bool:
    return bool(report.total.energy_uj.remote or report.total.embodied_ng.remote)
