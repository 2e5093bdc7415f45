"""What is left of a query that has its answer, as jobs for ``Behind``: to learn from it, and to record it.

They hold nobody who asks: sessions and functions may be dropped meanwhile.
"""

import threading
from collections.abc import Callable
from functools import partial

from autoscale.agents.base import Agent
from autoscale.loop import Answered
from autoscale.query.context import Context
from autoscale.query.record import Decision, Record
from autoscale_runtime.device.last import Decided
from autoscale_runtime.device.recording import give_record
from autoscale_runtime.host.process import FORKING


def afterwards(
    answered: Answered,
    agent: Agent,
    guard: threading.Lock,
    decided: Decided,
    record: Callable[[Context, Decision], Record],
    on_record: Callable[[Record], None] | None,
) -> list[Callable[[], object]]:
    """The jobs in their order; none where nothing is learned or recorded.

    Args:
        answered: the query.
        agent: who decided.
        guard: held while it learns.
        decided: takes the decision with what was believed afterwards.
        record: one query, as the ledger keeps it.
        on_record: whom to give that; None for nobody.
    """
    jobs: list[Callable[[], object]] = []
    if not agent.is_fixed:
        jobs.append(partial(_teach, answered, agent, guard, decided))
    if on_record is not None:  # after that: a record also tells what was believed afterwards
        jobs.append(partial(_record, record, on_record, decided))
    return jobs


def _teach(answered: Answered, agent: Agent, guard: threading.Lock, decided: Decided) -> None:
    with FORKING:  # a child must not get an agent in the middle of a lesson
        decided.decision = answered.teach(agent, guard)


def _record(
    record: Callable[[Context, Decision], Record], on_record: Callable[[Record], None], decided: Decided
) -> None:
    """Have a query recorded, which fails none that come later."""
    give_record(on_record, lambda: record(decided.context, decided.decision))
