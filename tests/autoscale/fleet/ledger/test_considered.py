"""What stood to be chosen, as the ledger keeps it."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.considered_text import considered_text, read_considered
from autoscale.query.belief import Belief
from autoscale.query.considered import Considered
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import Accuracy, ModelProfile
from autoscale.query.observation import LinkState, Observation
from autoscale.query.target import Target

TARGETS = tuple(
    map(Target.parse, ("device:cpu/fp32@2t", "device:npu/int8#own", "edge:tablet:gpu/fp16", "cloud:cpu/fp32"))
)
MODEL = ModelProfile('Größe-"模型"', conv=20, macs=300, output_bytes=12, accuracies={"fp32": Accuracy(0.71, "x")})


def maybe(low: float, high: float) -> Any:
    return st.none() | st.floats(low, high)


links = st.builds(
    LinkState, maybe(-120.0, 0.0), maybe(0.0, 9.0), maybe(0.0, 1e9), maybe(0.0, 1e9), st.none() | st.booleans()
)
observations = st.builds(
    Observation,
    maybe(0.0, 1.0),
    maybe(0.0, 1.0),
    st.dictionaries(st.text(min_size=1, max_size=8), links, max_size=2),
    maybe(-20.0, 120.0),
    maybe(0.0, 1.0),
    st.none() | st.booleans(),
    st.dictionaries(st.sampled_from(("device", "cloud")), st.floats(0.0, 2000.0), max_size=2),
)
figures = st.lists(st.floats(0.0, 1e4) | st.just(math.nan), min_size=4, max_size=4).map(np.array)
forecasts = st.none() | st.builds(Forecast, figures, figures, figures, figures)


@given(observations, forecasts, st.sets(st.integers(0, 3), min_size=1), st.floats(1e-6, 1e3))
def test_it_comes_back_as_it_was(
    seen: Observation, forecast: Forecast | None, admitted: set[int], reference: float
) -> None:
    goal = Goal("carbon", 0.1)
    context = Context(
        MODEL, seen, goal, np.array(sorted(admitted)), (lambda: forecast) if forecast else None, reference
    )
    text = considered_text(Considered(TARGETS, context))
    json.loads(text)
    found = read_considered(text, MODEL.name, goal)
    assert found.targets == TARGETS
    assert found.context.admitted.tolist() == sorted(admitted)
    assert found.context.model.conv == 20
    assert found.context.model.accuracy("fp32") == 0.71
    assert found.context.reference == pytest.approx(reference, rel=1e-6)
    assert considered_text(found) == text
    back = found.context.forecast
    assert (back is None) == (forecast is None)
    if forecast is not None and back is not None:
        np.testing.assert_allclose(back.latency_s, forecast.latency_s, atol=1e-6)
        np.testing.assert_allclose(back.carbon_g, forecast.carbon_g, atol=1e-9, rtol=1e-9)
    assert (found.context.observation.battery is None) == (seen.battery is None)


def test_what_was_believed_comes_back() -> None:
    rng, chosen = np.random.default_rng(0), TARGETS[2]
    figures = rng.uniform(1e-4, 0.9, (2, 6, 4))
    figures[0, 0, 1] = math.nan
    before, after = (
        Belief(TARGETS, *rows[:4], rows[4], np.array([True, False, True, True]), rows[5]) for rows in figures
    )
    goal = Goal("energy", 0.1, on_time=0.99)
    context = Context(MODEL, Observation(), goal, np.array([0, 1, 2]), None, 1.0)
    considered = Considered(TARGETS, context, before, after, {TARGETS[3]: "the link is down" * 20}, 0.75)
    text = considered_text(considered, chosen)
    found = read_considered(text, MODEL.name, Goal("energy", 0.1), chosen)
    assert found.context.goal == goal
    assert found.coverage == 0.75
    assert found.left_out[TARGETS[3]].startswith("the link is down")
    assert len(found.left_out[TARGETS[3]]) == 100
    assert found.belief is not None
    assert found.belief_after is not None
    for name in ("latency_s", "latency_spread", "energy_j", "energy_spread", "chance_late", "chance"):
        np.testing.assert_allclose(getattr(found.belief, name), getattr(before, name), atol=1e-6)
        assert getattr(found.belief_after, name)[2] == pytest.approx(getattr(after, name)[2], abs=1e-6)
        assert np.isnan(getattr(found.belief_after, name)[[0, 1, 3]]).all()
    assert found.belief.is_allowed.tolist() == [True, False, True, True]
    assert considered_text(found, chosen) == text
    assert "believed" not in considered_text(considered), "what was chosen is not told"
    later = json.dumps({**json.loads(text), "of_a_later_version": 1})
    assert read_considered(later, MODEL.name, goal, chosen).coverage == 0.75


@pytest.mark.parametrize("believed", ["[]", '{"latency_us":[1]}', '{"latency_us":"x"}', "7"])
def test_a_belief_that_is_none_is_refused(believed: str) -> None:
    text = f'{{"targets":["device:cpu/fp32"],"reference":1,"believed":{believed}}}'
    with pytest.raises(InvalidInput, match="considered"):
        read_considered(text, "net", Goal(), Target.parse("device:cpu/fp32"))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"targets":["device:cpu/fp32"],"left_out":[0],"reference":1,"seen":{},"model":{}}', "null"],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="considered"):
        read_considered(text, "net", Goal())


def test_a_query_that_was_asked_for_keeps_no_inputs() -> None:
    asked = Context(MODEL, Observation(), Goal(), np.arange(4), lambda: Forecast(*np.ones((4, 4))))
    assert asked.forecast is asked.forecast
    assert asked._make_forecast is None  # it is what could hold them
