"""Where in machines' lives a report's carbon arises: use, making, carrying, end of life.

Reported footprints hold the last three together; ``devices/embodied/stages.toml`` has their shares.
"""

from autoscale.carbon.embodied.facts import read_embodied_facts
from autoscale.fleet.report.account import Report


def parts_of_life(report: Report) -> dict[str, int]:
    """Nanograms of CO2e of the queries, and of what waits where that is known: they sum to the whole.

    A network's equipment is divided as machines that answer are.
    """
    embodied, fleet = report.total.embodied_ng, report.fleet
    making = {"device": embodied.device, "remote": embodied.network + embodied.remote}
    use = sum(report.total.operational_ng)
    if fleet is not None:
        use += fleet.idle_ng.mid
        waiting = {role: each.unallocated_ng.mid for role, each in fleet.by_role.items()}
        making = {role: ng + waiting.get(role, 0) for role, ng in making.items()}
    carried, ended = (
        sum(round(ng * _share(role, key)) for role, ng in making.items()) for key in ("transport", "end_of_life")
    )
    return {"use": use, "making": sum(making.values()) - carried - ended, "transport": carried, "end_of_life": ended}


def _share(role: str, key: str) -> float:
    return read_embodied_facts("stages").sourced(role, f"{key}_share").range.mid
