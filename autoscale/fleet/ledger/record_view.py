"""A record as the ledger's columns look at it: each column names an attribute of this, with dots."""

from functools import lru_cache
from math import inf
from typing import Final

from autoscale.fleet.ledger.considered_text import considered_text
from autoscale.query.outcome import Method
from autoscale.query.record import Record
from autoscale.query.target import Target

_REMEMBERED: Final = 4096
"""Printed targets and methods; a device has a few of each, and asks for them with every query."""


class RecordView:
    """One record; made for every query, so it works out only what no attribute of the record says.

    Attributes:
        record, decision, goal, outcome: the record, and what it holds.
        chosen, selected: the targets as text; ``target`` is the one that answered.
        limit_s: the goal's for the latency; None where there is none.
        is_late, attempts: of the outcome and the decision.
        ends: how far the carbon may lie.
        region_device, region_network, region_remote: the electricity region of each part; empty where it is not
            known, or the part was not asked.
        intensity_device, ...: the grid's there, g/kWh; None where it was not sensed. Of a remote machine the one that
            its own account rests on, where it says so.
        kind_device, ...: whether that is ``average`` or ``marginal``; empty where it was not sensed.
        methods: how figures are known, as text.
        considered: what stood to be chosen, as text; empty where the record does not keep it.
    """

    __slots__ = (
        *(
            "attempts",
            "chosen",
            "considered",
            "decision",
            "ends",
            "goal",
            "is_late",
            "limit_s",
            "methods",
            "outcome",
            "record",
        ),
        *("intensity_device", "intensity_network", "intensity_remote", "kind_device", "kind_network", "kind_remote"),
        *("region_device", "region_network", "region_remote", "selected", "target"),
    )

    def __init__(self, record: Record) -> None:
        decision, goal = record.decision, record.goal
        outcome, chosen, target = decision.outcome, decision.chosen, decision.selected
        self.record, self.decision, self.goal, self.outcome, self.target = record, decision, goal, outcome, target
        self.chosen = _printed(chosen)
        self.selected = self.chosen if target is chosen else _printed(target)
        self.attempts, self.is_late = len(decision.attempts), outcome.latency_s > goal.latency_s
        self.limit_s = None if goal.latency_s == inf else goal.latency_s
        self.ends = outcome.known_ends()
        self.considered = "" if record.considered is None else considered_text(record.considered, chosen)
        self.methods = _printed_methods(tuple(outcome.methods.items()))
        self._look_at_places(record, target.place if target.is_remote else chosen.place if chosen.is_remote else "")

    def _look_at_places(self, record: Record, remote: str) -> None:
        """What is known of the device, the network and the remote machine (of the answer, else of the choice that
        failed, else there is none): no place is named ''.
        """
        network = "network" if remote else ""
        regions, seen, kinds = record.regions.get, record.observation.intensity_g_per_kwh, record.intensity_kinds.get
        self.region_device, self.region_network = regions("device", ""), regions(network, "")
        self.region_remote = regions(remote, "")
        self.intensity_device, self.intensity_network = seen.get("device"), seen.get(network)
        reported = self.outcome.intensity_remote_g_per_kwh
        self.intensity_remote = seen.get(remote) if reported is None else reported
        self.kind_device = kinds("device", "") if "device" in seen else ""
        self.kind_network = kinds(network, "") if network in seen else ""
        self.kind_remote = kinds(remote, "") if remote in seen else ""


@lru_cache(maxsize=_REMEMBERED)
def _printed(target: Target) -> str:
    return str(target)


@lru_cache(maxsize=_REMEMBERED)
def _printed_methods(methods: tuple[tuple[str, Method], ...]) -> str:
    return ";".join(f"{figure}={method}" for figure, method in sorted(methods))
