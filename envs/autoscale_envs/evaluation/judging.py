"""Agents and policies judged on what a log says: ``autoscale evaluate --records``."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from autoscale.agents.base import AGENTS
from autoscale.agents.policies import load_policy
from autoscale.errors import AutoScaleError, InvalidInput
from autoscale.files import write_file
from autoscale.fleet.ledger.logged_queries import LoggedQueries, read_logged_queries
from autoscale.off_policy.estimators import Estimate
from autoscale.off_policy.judge import Judgement, MakeAgent, judge
from autoscale.off_policy.logged import LoggedQuery
from autoscale_envs.evaluation.own_agent import agent_of, check_agent_name
from autoscale_envs.evaluation.running import STANDARD_OUTPUT

LOGGED: Final = "logged"
"""The policy that made the log: what its queries cost is known."""

USUAL: Final = ("device-cpu-fp32", "device-best", "connected-edge", "cloud", "q-learning", "corrector")

UNITS: Final = {"energy": "J", "carbon": "g", "latency": "s"}
_SHOWN: Final = "doubly_robust"


def judge_records(
    path: Path,
    agents: Sequence[str],
    policies: Mapping[str, str],
    objective: str | None,
    seed: int,
    json_file: Path | None,
) -> None:
    """Judge, and tell people, or machines where ``json_file`` is given (``-`` prints it)."""
    found = judge_all(read_logged_queries(path), agents or ([] if policies else USUAL), policies, objective, seed)
    text = json.dumps(found, indent=2)
    if json_file == STANDARD_OUTPUT:
        print(text)
        return
    if json_file is not None:
        write_file(json_file, text + "\n")
    tell(Console(), found)


def judge_all(
    log: LoggedQueries, agents: Sequence[str], policies: Mapping[str, str], objective: str | None, seed: int
) -> dict[str, Any]:
    """What each of them would have cost on the log's queries, and what those cost, in values JSON can hold.

    Agents learn from the log as it goes, each asked for its choice before it is told what came of the logged one;
    policies from files stay as they are.

    Raises:
        InvalidInput: nothing to judge by, or an agent that is none.
        PolicyError: a policy that cannot be read, or was made for other targets.
    """
    for name in agents:
        check_agent_name(name, AGENTS.names())
    queries = _of_objective(log, objective)
    rows: dict[str, Any] = {}
    for name in agents:
        rows[name] = _row(partial(judge, _agent_maker(name, seed), queries, learns=True))
    for name, path in policies.items():
        rows[name] = _row(partial(judge, _policy_maker(path, seed), queries))
    return {
        "rows": log.rows,
        "queries": len(queries),
        "skipped": dict(log.skipped),
        "objective": queries[0].context.goal.objective,
        "unit": UNITS[queries[0].context.goal.objective],
        LOGGED: _logged(queries),
        "agents": rows,
    }


def tell(console: Console, found: Mapping[str, Any]) -> None:
    """The same for people: the doubly robust estimates, and why there are none where there are none."""
    title = f"{found['queries']} of {found['rows']} logged queries; {found['objective']} in {found['unit']} a query"
    table = Table("policy", "objective", "misses its goal", "worth queries", title=title)
    own = found[LOGGED]
    table.add_row("logged (what happened)", f"{own['objective']:.4g}", f"{own['missed']:.1%}", str(found["queries"]))
    for name, row in found["agents"].items():
        if row["refused"] is None:
            table.add_row(
                name,
                _range(row["objective"][_SHOWN], "{:.4g}"),
                _range(row["missed"][_SHOWN], "{:.1%}"),
                f"{row['effective_queries']:.0f}",
            )
        else:
            table.add_row(name, "-", "-", f"{row['effective_queries']:.0f}")
    console.print(table)
    for name, row in found["agents"].items():
        if row["refused"] is not None:
            console.print(f"{name}: no estimate: {row['refused']}", highlight=False, soft_wrap=True)
    for reason, count in found["skipped"].items():
        console.print(f"{count} rows skipped: {reason} is not kept, or cannot be read", highlight=False)


def _agent_maker(name: str, seed: int) -> MakeAgent:
    return lambda targets: agent_of(name, targets, seed)


def _policy_maker(path: str, seed: int) -> MakeAgent:
    return lambda targets: load_policy(Path(path), targets, seed, adapt=True)


def _of_objective(log: LoggedQueries, objective: str | None) -> list[LoggedQuery]:
    """The queries that minimise it; without one, of the objective that most of them have."""
    counts: dict[str, int] = {}
    for each in log.queries:
        counts[each.context.goal.objective] = counts.get(each.context.goal.objective, 0) + 1
    if not counts or (objective is not None and objective not in counts):
        if counts:
            raise InvalidInput(f"objective is '{objective}'; the log's queries minimise {sorted(counts)}")
        raise InvalidInput(
            f"of {log.rows} rows none can judge a policy; lacking or unreadable: {dict(log.skipped)}; "
            "sessions log what stood to be chosen where SessionOptions(log_considered=True)"
        )
    wanted = objective or max(counts, key=lambda each: counts[each])
    return [each for each in log.queries if each.context.goal.objective == wanted]


def _logged(queries: Sequence[LoggedQuery]) -> dict[str, float]:
    count = len(queries)
    return {
        "objective": sum(each.outcome.objective_value(each.context.goal) for each in queries) / count,
        "missed": sum(each.is_missed for each in queries) / count,
        "reward": sum(each.reward for each in queries) / count,
    }


def _row(judged: Callable[[], Judgement]) -> dict[str, Any]:
    try:
        found = judged()
    except AutoScaleError as error:  # one that cannot work with these targets does not keep the others from it
        return {"refused": str(error), "effective_queries": 0.0, "uncovered": {}}
    figures = {
        name: {estimator: _told(each) for estimator, each in getattr(found, name).items()}
        for name in ("objective", "missed", "reward")
    }
    uncovered = {str(target): {"share": share, "tried": tried} for target, (share, tried) in found.uncovered.items()}
    told = {"refused": found.refusal, "effective_queries": found.effective_queries, "uncovered": uncovered}
    return told | (figures if found.refusal is None else {})


def _told(estimate: Estimate) -> dict[str, float]:
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def _range(estimate: Mapping[str, float], form: str) -> str:
    mean, low, high = (form.format(estimate[name]) for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"
