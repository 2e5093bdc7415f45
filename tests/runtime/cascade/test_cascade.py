"""Cascades of real sessions on labelled digits: what is asked, what it costs, and that accuracy is kept."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import FeedError, InvalidInput, TargetError
from autoscale.query.record import Record
from autoscale_runtime import Cascade, Session
from autoscale_runtime.cascade.margins import margins
from autoscale_runtime.cascade.thresholds import ALWAYS, NEVER, Samples, choose, judge
from autoscale_runtime.models.splitting.cuts import find_cuts
from autoscale_runtime.models.splitting.parts import write_split
from tests.runtime.session_parts import PATIENT, QUIET

digits = pytest.importorskip("benchmarks.digits", reason="training needs scikit-learn")

WIDTHS = (128, 128)
HERE = replace(QUIET, target="device:cpu/fp32@1t")


@pytest.fixture(scope="module")
def data() -> tuple[digits.Part, digits.Part, digits.Part]:
    return digits.parts()


@pytest.fixture(scope="module")
def models(data: tuple[digits.Part, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    digits.small(data[0], folder / "small.onnx")
    digits.large(data[0], folder / "large.onnx", WIDTHS)
    digits.with_early_exit(data[0], folder / "exit.onnx", WIDTHS)
    return folder


@pytest.fixture
def cascade(models: Path) -> Iterator[Cascade]:
    with Cascade([Session(models / f"{name}.onnx", PATIENT, options=HERE) for name in ("small", "large")]) as both:
        yield both


def accuracy(cascade: Cascade, part: digits.Part) -> tuple[float, float]:
    """Share of right answers, and of queries that were asked of more than the first stage."""
    right = asked = 0
    for feeds, label in zip(part.feeds, part.y, strict=True):
        [scores] = cascade.run(None, feeds)
        assert cascade.last is not None
        right += int(scores.argmax() == label)
        asked += len(cascade.last.stages) > 1
    return right / len(part.y), asked / len(part.y)


def test_an_unsure_answer_goes_on_and_both_stages_are_paid_for(cascade: Cascade, data: tuple[digits.Part, ...]) -> None:
    feeds = data[2].feeds[0]
    cascade.thresholds = (NEVER,)
    [first] = cascade.run(None, feeds)
    last = cascade.last
    assert last is not None
    assert (len(last.stages), last.outcome) == (1, last.stages[0].outcome)
    assert last.margins == (pytest.approx(float(margins(first)[0])),)
    cascade.thresholds = (ALWAYS,)
    cascade.run(["y"], feeds)
    last = cascade.last
    assert last is not None
    assert len(last.stages) == len(last.margins) == 2
    figures = [each.outcome.energy_j.device for each in last.stages]
    assert last.outcome.energy_j.device == pytest.approx(sum(figures))
    assert last.outcome.latency_s == pytest.approx(sum(each.outcome.latency_s for each in last.stages))


@pytest.mark.parametrize("is_labelled", [True, False])
def test_thresholds_are_learned_and_hold_on_other_samples(
    cascade: Cascade, data: tuple[digits.Part, ...], is_labelled: bool
) -> None:
    _, calibrating, test = data
    known = cascade.calibrate(calibrating.feeds, calibrating.y if is_labelled else None)
    assert known.is_labelled is is_labelled
    assert known.accuracy >= known.floor
    assert known.asked[1] < 0.5
    assert is_labelled or known.asked[1] > 0.0  # by labels the small network may do as well alone
    assert cascade.thresholds == known.thresholds
    got, asked = accuracy(cascade, test)
    cascade.thresholds = (ALWAYS,)
    alone, _ = accuracy(cascade, test)
    assert got >= alone - 0.02  # 497 samples tell no less
    assert asked < 0.5


def test_every_stage_writes_its_own_record(models: Path, data: tuple[digits.Part, ...]) -> None:
    kept: list[Record] = []
    options = replace(HERE, on_record=kept.append)
    with Cascade([Session(models / f"{name}.onnx", PATIENT, options=options) for name in ("small", "large")]) as both:
        both.thresholds = (ALWAYS,)
        both.run(None, data[2].feeds[0])
        assert both.last is not None
        assert [each.model for each in kept] == ["small", "large"]
        total_j = sum(each.decision.outcome.energy_j.device for each in kept)
        assert both.last.outcome.energy_j.device == pytest.approx(total_j)


def test_an_early_exit_is_a_cascade_of_one_network_s_two_parts(
    models: Path, data: tuple[digits.Part, ...], tmp_path: Path
) -> None:
    found = find_cuts(models / "exit.onnx", {"x": (1, digits.PIXELS)})
    write_split(found, found.at(3), "fp32", tmp_path / "parts")
    stages = [Session(tmp_path / "parts" / name, PATIENT, options=HERE) for name in ("head", "tail")]
    with (
        Cascade(stages, scores=["exit", "y"]) as cascade,
        Session(models / "exit.onnx", PATIENT, options=HERE) as whole,
    ):
        known = cascade.calibrate(data[1].feeds, data[1].y)
        assert known.asked[1] < 0.5
        feeds = data[2].feeds[0]
        cascade.thresholds = (ALWAYS,)
        np.testing.assert_allclose(cascade.run(None, feeds)[0], whole.run(["y"], feeds)[0], rtol=1e-4, atol=1e-5)
        cascade.thresholds = (NEVER,)
        np.testing.assert_allclose(cascade.run(None, feeds)[0], whole.run(["exit"], feeds)[0], rtol=1e-4, atol=1e-5)


def test_a_stage_that_fails_leaves_the_answer_there_is(models: Path, data: tuple[digits.Part, ...]) -> None:
    here = Session(models / "small.onnx", PATIENT, options=HERE)
    nowhere = replace(QUIET, target="cloud:cpu/fp32", timeout_s=0.5)
    away = Session(models / "large.onnx", PATIENT, remotes={"cloud": "127.0.0.1:1"}, options=nowhere)
    with Cascade([here, away]) as cascade:
        cascade.thresholds = (ALWAYS,)
        cascade.run(None, data[2].feeds[0])
        assert cascade.last is not None
        assert len(cascade.last.stages) == 1
        assert cascade.last.failed.startswith("stage 1: ")
    with Cascade([away, away]) as cascade, pytest.raises(TargetError):
        cascade.run(None, data[2].feeds[0])


def test_no_stage_begins_after_the_limit(models: Path, data: tuple[digits.Part, ...]) -> None:
    stages = [Session(models / f"{name}.onnx", PATIENT, options=HERE) for name in ("small", "large")]
    with Cascade(stages, replace(PATIENT, latency_s=1e-9)) as cascade:
        cascade.thresholds = (ALWAYS,)
        cascade.run(None, data[2].feeds[0])
        assert cascade.last is not None
        assert len(cascade.last.stages) == 1


def test_thresholds_are_the_cheapest_that_reach_the_floor() -> None:
    rng = np.random.default_rng(0)
    margin = rng.random((400, 2))
    is_right = np.column_stack([rng.random(400) < 0.5 + margin[:, 0] / 2, rng.random(400) < 0.9, np.ones(400)])
    samples = Samples(margin, is_right.astype(float), np.tile([1.0, 5.0, 20.0], (400, 1)))
    chosen = choose(samples, 0.95)
    assert chosen.accuracy >= 0.95
    assert 1.0 < chosen.cost < 26.0
    assert chosen == judge(samples, chosen.thresholds)
    assert judge(samples, (ALWAYS, ALWAYS)).cost == 26.0
    assert judge(samples, (NEVER, ALWAYS)).asked == (1.0, 0.0, 0.0)
    assert choose(samples, 0.0).cost == 1.0
    assert choose(samples._replace(is_right=np.zeros((400, 3))), 0.9).cost == 1.0


def test_margins_of_logits_probabilities_and_nonsense() -> None:
    logits = np.array([[2.0, 1.0, -3.0], [0.0, 0.0, 0.0]])
    powers = np.exp(logits)
    np.testing.assert_allclose(margins(logits), margins(powers / powers.sum(axis=1, keepdims=True)))
    assert margins(logits)[1] == pytest.approx(0.0)
    assert margins(np.array([[np.inf, 0.0], [np.nan, 1.0]])).tolist() == [0.0, 0.0]
    assert margins(np.full((1, 2), 1e300))[0] == 0.0
    with pytest.raises(InvalidInput, match="two classes"):
        margins(np.zeros((3, 1)))


def test_what_is_refused(cascade: Cascade, models: Path, data: tuple[digits.Part, ...]) -> None:
    with Session(models / "small.onnx", PATIENT, options=HERE) as one:
        with pytest.raises(InvalidInput, match="two or more"):
            Cascade([one])
        with pytest.raises(InvalidInput, match="'scores'"):
            Cascade([one, one], scores=["scores", "y"])
        with pytest.raises(InvalidInput, match="one of each stage"):
            Cascade([one, one], scores=["y"])
    with pytest.raises(FeedError, match="'y'"):
        cascade.run(["logits"], data[2].feeds[0])
    with pytest.raises(FeedError, match="missing"):
        cascade.run(None, {})
    with pytest.raises(InvalidInput, match="3 labels for 2 samples"):
        cascade.calibrate(data[1].feeds[:2], [1, 2, 3])
    with pytest.raises(InvalidInput, match="no samples"):
        cascade.calibrate([])
    for label in ("seven", 10, -1, 0.5, float("nan"), None):
        with pytest.raises(InvalidInput, match="allowed: the number of a class, 0 to 9"):
            cascade.calibrate(data[1].feeds[:1], [label])  # type: ignore[list-item]
    several = {name: np.concatenate([each] * 3) for name, each in data[1].feeds[0].items()}
    with pytest.raises(InvalidInput, match="3 rows has 1 labels"):
        cascade.calibrate([several], [1])
    with pytest.raises(InvalidInput, match="no rows"):
        cascade.calibrate([{name: each[:0] for name, each in several.items()}])
    with pytest.raises(FeedError, match="mapping"):
        cascade.calibrate([np.zeros((1, 64))])  # type: ignore[list-item]


def test_samples_and_labels_may_come_one_by_one(cascade: Cascade, data: tuple[digits.Part, ...]) -> None:
    part = data[1]
    learned = cascade.calibrate(iter(part.feeds[:9]), (int(each) for each in part.y[:9]))
    assert learned.stage_accuracy[-1] > 0.5
