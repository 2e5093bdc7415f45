"""The account of a fleet: what its queries, its idle machines and its hardware emitted, and what would save.

::

    report = account("ledger", Question(Span.parse("2026-11-01")))
    report.total.sci_g.mid, report.savings
"""

from autoscale.fleet.ledger.span import Span
from autoscale.fleet.report.account import DayRow, Question, Report, account
from autoscale.fleet.report.counterfactual import Counterfactual
from autoscale.fleet.report.engine import ENGINES, EngineOptions, ReportEngine
from autoscale.fleet.report.idle import Fleet
from autoscale.fleet.report.savings import Saving
from autoscale.fleet.report.sums import Parts, Sums, WholeInterval

__all__ = [
    "ENGINES",
    "Counterfactual",
    "DayRow",
    "EngineOptions",
    "Fleet",
    "Parts",
    "Question",
    "Report",
    "ReportEngine",
    "Saving",
    "Span",
    "Sums",
    "WholeInterval",
    "account",
]
