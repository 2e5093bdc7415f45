"""``autoscale explain``: of records, or of a session's own log, why each query went where it went."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from autoscale.agents.base import Agent, make_agent
from autoscale.agents.policies import load_policy
from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.logged_queries import LoggedQueries, read_logged_queries
from autoscale.off_policy.logged import LoggedQuery
from autoscale.query.considered import Considered
from autoscale.query.explanation import Explanation, explain
from autoscale_runtime.fleet.device_log.reading import is_log, read_log


def explain_command(
    records: Annotated[
        Path | None,
        typer.Argument(
            help="A fleet's ledger, a .parquet, .csv or .jsonl of its columns, or the folder of a device's log.",
            show_default=False,
        ),
    ] = None,
    session: Annotated[
        Path | None,
        typer.Option(help="The log that a session writes (LedgerWriter's folder): its latest run, also as it runs."),
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many queries, the latest.")] = 1,
    model: Annotated[str, typer.Option(help="Only queries of this network.")] = "",
    policy: Annotated[
        Path | None,
        typer.Option(help="Who decided, as it was before the records: what is told is worked out again by it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell why queries went where they went: candidates, what ruled each out, what was believed, what happened.

    Records keep what was believed when it was decided, and of the choice once it was learned from. Of those that do not
    (an agent that believes nothing it could say, an older version) it is worked out again, by a corrector that learns
    from the records in their order. A program asks its session itself: session.explain().

    Example: autoscale explain ledger --model mobilenet-v1 --last 3
    Example: autoscale explain --session app-log
    """
    path, log = _read(records, session)
    told = told_of(log.queries, policy, model)
    if not told:
        names = ", ".join(sorted({each.context.model.name for each in log.queries}))
        raise InvalidInput(f"{path} holds no query of '{model}'; allowed: {names}")
    if as_json:
        print_json([each.as_json() for each in told[-last:]])
        return
    if session is not None:
        print(summary(told), end="\n\n")
    print("\n\n".join(map(str, told[-last:])))


def told_of(queries: Sequence[LoggedQuery], policy: Path | None, model: str = "") -> list[Explanation]:
    """What is to be told of each query of a network, or of all.

    Raises:
        PolicyError: the policy cannot be read, or was made for other targets.
    """
    agents: dict[Any, Agent] = {}
    lacks = policy is not None or any(_considered(each).belief is None for each in queries)
    told = []
    for query in queries:
        agent = _agent(agents, query, policy) if lacks else None
        if model in ("", query.context.model.name):
            told.append(_told(query, agent, policy))
        if agent is not None:
            agent.learn(query.context, query.chosen, query.outcome, query.reward)
    return told


def summary(told: Sequence[Explanation]) -> str:
    """A run in one paragraph: queries, joules, late answers, where they were answered."""
    places: dict[str, int] = {}
    for each in told:
        places[each.happened.target] = places.get(each.happened.target, 0) + 1
    energy_j, late = sum(each.happened.energy_j for each in told), sum(each.happened.is_late for each in told)
    looks = sum(bool(each.candidates) and each.candidates[0].verdict.startswith("chosen: a look") for each in told)
    lines = [f"{len(told)} queries, {energy_j:.3g} J of the device, {late} late, {looks} looks at others; answered by"]
    shares = sorted(places.items(), key=lambda place: -place[1])
    return "\n".join([*lines, *(f"  {target:30} {count / len(told):6.1%}" for target, count in shares)])


def _read(records: Path | None, session: Path | None) -> tuple[Path, LoggedQueries]:
    """What was asked about, and the queries in it."""
    if (records is None) == (session is None):
        raise InvalidInput("what is to be explained is not said; allowed: a path of records, or --session LOG")
    if session is not None:
        path, log = session, read_log(session, latest_run=True)
    elif records is not None:
        path, log = records, read_log(records) if is_log(records) else read_logged_queries(records)
    if not log.queries:
        reasons = "; ".join(f"{count} rows: {reason}" for reason, count in log.skipped.items()) or "it is empty"
        raise InvalidInput(f"{path}: nothing can be explained ({reasons}); allowed: records that keep 'considered'")
    return path, log


def _agent(agents: dict[Any, Agent], query: LoggedQuery, policy: Path | None) -> Agent:
    if query.targets not in agents:
        made = make_agent("corrector", query.targets) if policy is None else load_policy(policy, query.targets)
        agents[query.targets] = made
    return agents[query.targets]


def _told(query: LoggedQuery, agent: Agent | None, policy: Path | None) -> Explanation:
    considered, belief = _considered(query), "kept"
    if agent is not None and (policy is not None or considered.belief is None):
        considered = replace(considered, belief=agent.believe(query.context), belief_after=None)
        belief = "worked out again"
    chosen = query.targets[query.chosen]
    answered = query.answered or chosen
    failed: Mapping[Any, str] = {} if answered == chosen else {chosen: "it did not answer"}
    return explain(considered, chosen, query.probability, query.outcome, failed, answered, belief)


def _considered(query: LoggedQuery) -> Considered:
    return query.considered or Considered(query.targets, query.context)
