"""The comparison for people."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

Figures = Mapping[str, Any]

PAPER: Final = (
    ("PPW vs Edge (CPU FP32)", "ppw_vs_cpu_fp32", "9.8x"),
    ("  geometric mean", "ppw_vs_cpu_fp32_geomean", ""),
    ("PPW vs Cloud", "ppw_vs_cloud", "1.6x"),
    ("  geometric mean", "ppw_vs_cloud_geomean", ""),
    ("right target", "optimal_within_1pct", "97.9 %"),
    ("queries to converge", "convergence_queries", "40 to 50"),
)
"""What the paper (AutoScale, MICRO 2020) says of its own agent."""


NAME_WIDTH: Final = 17
PERCENT: Final = (
    *("optimal_within_1pct", "gap_to_oracle", "late_fraction", "gap_to_oracle_first", "gap_to_oracle_10"),
    "recovered_within_15",
)
SURE: Final = {
    "vs CPU": "ppw_vs_cpu_fp32",
    "right, %": "optimal_within_1pct",
    "excess, %": "gap_to_oracle",
}
COLUMNS: Final = {
    "vs CPU": "ppw_vs_cpu_fp32",
    "vs cloud": "ppw_vs_cloud",
    "right": "optimal_within_1pct",
    "excess": "gap_to_oracle",
    "late": "late_fraction",
    "settled": "convergence_queries",
    "us": "select_us_p50",
}
MEASURED_COLUMNS: Final = {
    "right": "optimal_within_1pct",
    "excess": "gap_to_oracle",
    "first": "gap_to_oracle_first",
    "2-10": "gap_to_oracle_10",
    "late": "late_fraction",
    "settled": "convergence_queries",
    "us": "select_us_p50",
}
CHANGE_COLUMNS: Final = {
    "runs put off": "recovery_runs",
    "back": "recovery_queries",
    "within 15": "recovered_within_15",
}
CHANGE_LEGEND: Final = (
    "back: of the runs that the change put off, the median of queries until within 5 % of the oracle again, - where "
    "most never are; within 15: the share of them that is so within 15 queries"
)
_SHARED: Final = (
    "right: choices as good as the oracle's; excess: cost beyond the oracle's{further}; late: answers after the limit; "
    "settled: queries until within 5 % of the oracle for good; us: microseconds a choice"
)
LEGEND: Final = "vs CPU, vs cloud: inferences per joule against the CPU in fp32 and the cloud; " + _SHARED.format(
    further=""
)
MEASURED_LEGEND: Final = _SHARED.format(further=", also of a network's first query and of queries 2 to 10")

P90_NOT_PLAYED: Final = (
    "latency_p90_s below the mean is played without a spread, one above 2.18 times the mean as 2.18 times"
)


def comparison(title: str, agents: Mapping[str, Figures]) -> Table:
    """Every contestant's figures, at most 80 columns wide."""
    return _figures(title, agents, COLUMNS)


def after_change(title: str, agents: Mapping[str, Figures]) -> Table:
    """How soon every contestant is back after an unannounced change."""
    return _figures(f"{title}: after the unannounced change", agents, CHANGE_COLUMNS)


def has_change(agents: Mapping[str, Figures]) -> bool:
    """Whether an unannounced change put anybody off."""
    return any(figures["recovery_runs"] for figures in agents.values())


def measured(title: str, agents: Mapping[str, Figures]) -> Table:
    """The same of a measured world."""
    return _figures(title, agents, MEASURED_COLUMNS)


def _figures(title: str, agents: Mapping[str, Figures], columns: Mapping[str, str]) -> Table:
    table = _table(title)
    table.add_column("agent", overflow="ellipsis", max_width=NAME_WIDTH, no_wrap=True)
    for head in columns:
        table.add_column(head, justify="right", no_wrap=True)
    for name, figures in agents.items():
        table.add_row(escape(name), *(_text(key, figures[key]) for key in columns.values()))
    return table


def sureness(agents: Mapping[str, Figures]) -> Table:
    """Interquartile means with their intervals."""
    table = _table("interquartile means of all runs, 95 % stratified-bootstrap intervals")
    table.add_column("agent", no_wrap=True)
    for head in SURE:
        table.add_column(head, no_wrap=True)
    for name, figures in agents.items():
        table.add_row(escape(name), *(_interval(key, figures) for key in SURE.values()))
    return table


def beside_paper(agents: Mapping[str, Figures], names: Sequence[str]) -> Table:
    """The paper's headlines, and ours of some contestants."""
    table = _table("the paper's headlines")
    table.add_column("figure")
    for head in ("paper", *names):
        table.add_column(head, justify="right")
    for label, key, theirs in PAPER:
        table.add_row(label, theirs, *(_text(key, agents[name][key]) for name in names))
    return table


def _table(title: str) -> Table:
    return Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def _interval(key: str, figures: Figures) -> str:
    values = (figures[f"{key}_{end}"] for end in ("iqm", "low", "high"))
    middle, low, high = (_short(100.0 * each) if key in PERCENT else f"{each:.1f}" for each in values)
    return f"{middle} [{low}, {high}]"


def _short(percent: float) -> str:
    return f"{percent:.0f}" if abs(percent) >= 9.95 else f"{percent:.1f}"


def _text(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key in PERCENT:
        return f"{value:.1%}"
    return f"{value:.2f}x" if key.startswith("ppw") else f"{value:.0f}"
