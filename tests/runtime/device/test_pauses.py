"""How long the radio rests between queries, and what an agent that looks ahead is told of it."""

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autoscale.agents.base import Choice
from autoscale.agents.corrector import Corrector
from autoscale.profiles import load_device
from autoscale.query.context import Context
from autoscale.query.target import Target
from autoscale_runtime import Session
from autoscale_runtime.device.commons import another_device
from autoscale_runtime.device.pauses import Pauses
from autoscale_runtime.meters import ModelledMeter
from tests.runtime.meters.meters_parts import Clock
from tests.runtime.session_parts import PATIENT, QUIET, bundle, rows

TAIL_S = 0.2


def test_pauses_within_the_tail_are_told_and_longer_ones_are_the_tail() -> None:
    clock = Clock()
    pauses = Pauses(clock, TAIL_S)
    assert pauses.mean_s == TAIL_S
    for pause_s, mean_s in ((0.04, TAIL_S), (0.08, 0.08), (60.0, 0.14), (0.02, 0.1)):
        clock.now_s += pause_s
        pauses.began()
        assert pauses.mean_s == pytest.approx(mean_s)
        clock.now_s += 3.0
        pauses.ended()


def test_queries_that_overlap_leave_no_pause() -> None:
    clock = Clock()
    pauses = Pauses(clock, TAIL_S)
    pauses.ended()
    clock.now_s -= 1.0
    pauses.began()
    assert pauses.mean_s == 0.0


@pytest.mark.parametrize("rest_s", [0.0, 0.5, 60.0])
def test_the_tail_is_what_a_rest_costs_of_a_query(rest_s: float) -> None:
    table = ModelledMeter(load_device("mi8pro"), "lte")
    transfer = 150_000, 4_000, 10e6, 20e6, -85.0, 0.3
    asleep_j, awake_j = table.radio_j(*transfer), table.radio_j(*transfer, rest_s)
    assert asleep_j - awake_j == pytest.approx(table.tail_j(math.inf) - table.tail_j(rest_s))


class Watching(Corrector):
    """Keeps what it saw."""

    def select(self, context: Context) -> Choice:
        self.seen = context
        return super().select(context)


def test_a_session_tells_what_the_next_query_would_cost(tmp_path: Path) -> None:
    model, x = bundle(tmp_path), {"x": rows(3)}
    options = replace(QUIET, power_table="mi8pro", radio="lte")
    alone = another_device(time.perf_counter)  # with a radio that nobody else has just used
    with alone, Session(model, PATIENT, remotes={"cloud": "127.0.0.1:9"}, options=options) as session:
        agent = session.agent = Watching(session.targets)
        for _ in range(5):
            session.run(None, x)
        now, again = agent.seen.forecast, agent.seen.forecast_again
        cloud = session.targets.index(Target.parse("cloud:cpu/fp32"))
    assert now is not None
    assert again is not None
    table = ModelledMeter(load_device("mi8pro"), "lte")
    saved_j = now.energy_j - again.energy_j
    assert 0.5 * table.tail_j(math.inf) < saved_j[cloud] <= table.tail_j(math.inf)
    assert now.carbon_g[cloud] > again.carbon_g[cloud]
    first = agent.seen.first_forecast
    assert first is not None
    own = [i for i in range(len(session.targets)) if i != cloud]
    assert (first.energy_j[own] == again.energy_j[own]).all()


def test_a_session_without_remotes_has_nothing_to_tell(tmp_path: Path) -> None:
    with Session(bundle(tmp_path), PATIENT, options=QUIET) as session:
        agent = session.agent = Watching(session.targets)
        session.run(None, {"x": rows(3)})
    assert agent.seen.forecast_again is None
