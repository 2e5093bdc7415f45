"""What a session came to know of its own targets serves the next one, while all that it rests on is the same."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoscale.query.goal import Goal
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.calibration import Calibration
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.session import Session, SessionOptions
from tests.runtime.session_parts import PATIENT, QUIET, Liar, answer, bundle, lying, rows


@pytest.fixture
def options(tmp_path: Path) -> SessionOptions:
    return replace(QUIET, calibration=tmp_path / "kept.json")


def opened(model: Bundle, options: SessionOptions, rows_asked: int = 3) -> tuple[Calibration, list[Array]]:
    with Session(model, PATIENT, options=options) as session:
        outputs = session.run(None, {"x": rows(rows_asked)})
        return session.calibration, outputs


def kept(options: SessionOptions) -> dict[str, dict[str, object]]:
    told: dict[str, dict[str, object]] = json.loads(Path(str(options.calibration)).read_text())
    return told


def test_the_second_session_asks_nobody(tmp_path: Path, options: SessionOptions) -> None:
    model = bundle(tmp_path)
    first, outputs = opened(model, options)
    told = kept(options)
    again, same = opened(model, options)
    assert len(told["targets"]) == len(first.lessons) == len(again.lessons)
    assert again.reference == first.reference
    opened(model, replace(options, target="device:cpu/int8@1t"))
    assert kept(options) == told
    assert first.energy_j > again.energy_j == 0.0
    assert {i for i, _ in again.lessons} == {i for i, _ in first.lessons}
    assert all(outcome.energy_j.device > 0.0 for _, outcome in again.lessons)
    np.testing.assert_allclose(same[0], outputs[0], rtol=0.05, atol=0.05)  # in whichever precision


def test_a_target_that_was_distrusted_stays_so(
    tmp_path: Path, options: SessionOptions, caplog: pytest.LogCaptureFixture
) -> None:
    model = bundle(tmp_path, int8_seed=1)
    first, _ = opened(model, options)
    caplog.clear()
    again, _ = opened(model, options)
    assert again.distrusted == first.distrusted
    assert {each.precision for each in again.distrusted} == {"int8"}
    assert "left out" in caplog.text


def test_another_model_size_or_meter_is_another_calibration(tmp_path: Path, options: SessionOptions) -> None:
    opened(bundle(tmp_path / "a"), options)
    told = kept(options)
    for model, asked, other in (
        (bundle(tmp_path / "b", int8_seed=2), 3, options),
        (bundle(tmp_path / "a"), 300, options),
        (bundle(tmp_path / "a"), 3, replace(options, power_table="mi8pro")),
    ):
        opened(model, other, asked)
        assert kept(options)["of"] != told["of"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"of": 1', '{"of": {}, "targets": {"x": 1}}', "\x00"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, options: SessionOptions, text: str) -> None:
    Path(str(options.calibration)).write_text(text)
    found, _ = opened(bundle(tmp_path), options)
    assert len(found.lessons) == len(kept(options)["targets"])


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(bundle(tmp_path), replace(QUIET, calibration=tmp_path / "none" / "kept.json"))
    assert "cannot be written" in caplog.text


def test_a_remote_is_held_to_the_references_answer_all_the_same(tmp_path: Path, options: SessionOptions) -> None:
    model = bundle(tmp_path)
    opened(model, options)
    x = {"x": rows(3)}
    with Session(model, PATIENT, options=replace(QUIET, target="device:cpu/fp32@1t")) as session:
        right = dict(zip([each.name for each in session.get_outputs()], session.run(None, x), strict=True))
    wrong = right | {"logits": -right["logits"]}
    for truth, is_trusted in ((right, True), (wrong, False)):
        with (
            lying(Liar(answer(**truth))) as address,
            Session(model, PATIENT, remotes={"cloud": address}, options=options) as session,
        ):
            session.warm_up(x)
            found = session.calibration
            assert (Target.parse("cloud:cpu/fp32") not in found.distrusted) == is_trusted
            assert found.energy_j > 0.0


def test_a_remote_whose_radio_costs_many_answers_here_is_met_when_a_query_goes_there(tmp_path: Path) -> None:
    model = bundle(tmp_path)
    options = replace(QUIET, power_table="mi8pro", radio="lte")
    x = {"x": rows(3)}
    with Session(model, PATIENT, options=replace(options, target="device:cpu/fp32@1t")) as session:
        right = dict(zip([each.name for each in session.get_outputs()], session.run(None, x), strict=True))
    liar = Liar(answer(**right))
    with lying(liar) as address, Session(model, PATIENT, remotes={"cloud": address}, options=options) as session:
        session.warm_up(x)
        assert liar.queries == 0
        assert session.query(x, goal=Goal(mode="ONLY_IN_CLOUD")).decision.selected.place == "cloud"
        assert liar.queries > 0
