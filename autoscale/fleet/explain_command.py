"""``autoscale explain``: of records, why each query went where it went."""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from autoscale.agents.base import Agent, make_agent
from autoscale.agents.policies import load_policy
from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.logged_queries import read_logged_queries
from autoscale.off_policy.logged import LoggedQuery
from autoscale.query.belief import Belief

SHOWN: Final = 8
"""How many candidates are shown of a query, the best first."""
SAME: Final = 0.005
"""Costs that lie closer are called the same."""


def explain(
    records: Annotated[Path, typer.Argument(help="A fleet's ledger, or a .parquet, .csv or .jsonl of its columns.")],
    last: Annotated[int, typer.Option(min=1, help="How many queries, the latest.")] = 1,
    model: Annotated[str, typer.Option(help="Only queries of this network.")] = "",
    policy: Annotated[
        Path | None, typer.Option(help="Who decided, as it was before the records; a new corrector if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Tell why queries went where they went: candidates, what ruled each out, what was believed, what happened.

    Records keep what stood to be chosen and what was seen, not what was believed: that is worked out again, by an agent
    that learns from the records in their order.

    Example: autoscale explain ledger --model mobilenet-v1 --last 3
    """
    log = read_logged_queries(records)
    if not log.queries:
        reasons = "; ".join(f"{count} rows: {reason}" for reason, count in log.skipped.items()) or "it is empty"
        raise InvalidInput(f"{records}: nothing can be explained ({reasons}); allowed: records that keep 'considered'")
    told = told_of(log.queries, policy, model)[-last:]
    if not told:
        names = ", ".join(sorted({each.context.model.name for each in log.queries}))
        raise InvalidInput(f"{records} holds no query of '{model}'; allowed: {names}")
    print(json.dumps(told, indent=2) if as_json else "\n\n".join(text_of(each) for each in told))


def told_of(queries: tuple[LoggedQuery, ...], policy: Path | None, model: str = "") -> list[dict[str, Any]]:
    """What is to be told of each query of a network, or of all, in values JSON can hold.

    Raises:
        PolicyError: the policy cannot be read, or was made for other targets.
    """
    agents: dict[tuple[Any, ...], Agent] = {}
    told = []
    for query in queries:
        if query.targets not in agents:
            made = make_agent("corrector", query.targets) if policy is None else load_policy(policy, query.targets)
            agents[query.targets] = made
        agent = agents[query.targets]
        if model in ("", query.context.model.name):
            told.append(_told(query, agent.believe(query.context)))
        agent.learn(query.context, query.chosen, query.outcome, query.reward)
    return told


def text_of(told: dict[str, Any]) -> str:
    """The same for people."""
    limit = "no limit" if told["latency_limit_s"] is None else f"in {1e3 * told['latency_limit_s']:.0f} ms"
    lines = [
        f"{told['model']}: least {told['objective']} {limit}; chosen {told['chosen']} "
        f"(probability {told['probability']:.3f})"
    ]
    for each in told["candidates"]:
        figures = f"{1e3 * each['latency_s']:8.1f} ms  {1e3 * each['energy_j']:8.1f} mJ"
        late = "" if each["chance_late"] is None else f"  late {each['chance_late']:6.1%}"
        lines.append(f"  {each['target']:30} {figures}{late}  {each['verdict']}")
    if told["more"]:
        lines.append(f"  and {told['more']} more")
    happened = told["happened"]
    lines.append(
        f"  what happened: {1e3 * happened['latency_s']:.1f} ms, {1e3 * happened['energy_j']:.1f} mJ"
        f"{', late' if happened['is_late'] else ''}"
    )
    return "\n".join(lines)


def _told(query: LoggedQuery, belief: Belief | None) -> dict[str, Any]:
    context, goal = query.context, query.context.goal
    candidates = sorted(context.admitted.tolist(), key=lambda index: _rank(query, belief, index))
    refused = [str(each) for index, each in enumerate(query.targets) if index not in context.admitted]
    return {
        "model": context.model.name,
        "objective": goal.objective,
        "latency_limit_s": goal.latency_s if math.isfinite(goal.latency_s) else None,
        "chosen": str(query.targets[query.chosen]),
        "probability": query.probability,
        "candidates": [_candidate(query, belief, index) for index in candidates[:SHOWN]],
        "more": max(len(candidates) - SHOWN, 0),
        "not_admitted": refused,
        "happened": {
            "latency_s": query.outcome.latency_s,
            "energy_j": query.outcome.energy_j.device,
            "is_late": query.outcome.is_late(goal),
        },
    }


def _rank(query: LoggedQuery, belief: Belief | None, index: int) -> tuple[bool, bool, float]:
    if belief is None:
        return index != query.chosen, False, float(index)
    return index != query.chosen, not belief.is_allowed[index], float(_figures(query, belief)[index])


def _figures(query: LoggedQuery, belief: Belief) -> Any:
    """What the goal minimises, as believed; grams are not told, and go by the energy."""
    return belief.latency_s if query.context.goal.objective == "latency" else belief.energy_j


def _candidate(query: LoggedQuery, belief: Belief | None, index: int) -> dict[str, Any]:
    known = belief or query.context.forecast
    latency_s, energy_j = (np.nan, np.nan) if known is None else (known.latency_s[index], known.energy_j[index])
    return {
        "target": str(query.targets[index]),
        "latency_s": float(latency_s),
        "energy_j": float(energy_j),
        "latency_quantiles_s": None if belief is None else _quantiles(belief, index),
        "chance_late": None if belief is None else float(belief.chance_late[index]),
        "verdict": _verdict(query, belief, index),
    }


def _quantiles(belief: Belief, index: int) -> list[float]:
    return [float(belief.latency_quantile_s(share)[index]) for share in (0.05, 0.5, 0.95)]


def _verdict(query: LoggedQuery, belief: Belief | None, index: int) -> str:
    if belief is None:
        return "chosen" if index == query.chosen else ""
    figures, goal = _figures(query, belief), query.context.goal
    least = float(figures[belief.is_allowed].min()) if belief.is_allowed.any() else math.nan
    dearer = float(figures[index]) / least - 1.0
    if index == query.chosen:
        return "chosen" if not dearer > SAME else f"chosen: a look, believed {dearer:.0%} dearer"
    if belief.is_allowed[index]:
        return f"{dearer:.0%} dearer than the best" if dearer > SAME else "as good as the best"
    if belief.chance_late[index] > 1.0 - goal.on_time:
        return f"too likely late: at most {1.0 - goal.on_time:.0%} is allowed"
    return "not accurate enough"
