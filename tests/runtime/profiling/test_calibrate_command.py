"""``autoscale calibrate`` on real models: what it writes, who reads it, and what an interrupted one leaves."""

import json
import logging
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from onnx import TensorProto, helper
from typer.testing import CliRunner, Result

from autoscale import Goal, load_device
from autoscale.errors import FeedError, InvalidInput, ModelError, ProfileError, UnknownName
from autoscale.profiles.shipped import devices_folder
from autoscale.query.outcome import Method
from autoscale_runtime import Session, SessionOptions
from autoscale_runtime.device.assemble import assemble
from autoscale_runtime.device.routes.local import LocalRoute
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.host.fingerprint import fingerprint
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.forecast_command import forecast
from autoscale_runtime.profiling.calibrate_command import STOPPED, calibrate
from tests.runtime.session_parts import bundle, network, written
from tests.waiting import until

QUICK = ("--seconds", "1", "--no-probes")


def called(*arguments: object, command=calibrate) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def measured(*arguments: object) -> dict:
    result = called(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return written(tmp_path / "net.onnx", network())


@pytest.fixture
def profile(tmp_path: Path, model: Path) -> Path:
    """A finished one."""
    measured(model, "--out", tmp_path / "mine.toml", *QUICK)
    return tmp_path / "mine.toml"


def test_every_target_of_every_model_has_a_row_with_its_spread(tmp_path: Path) -> None:
    whole = bundle(tmp_path / "files").write(tmp_path / "both")
    other = written(tmp_path / "other.onnx", network(seed=7))
    found = measured(whole.variants[0].path.parent, other, "--out", tmp_path / "mine.toml", *QUICK)
    with Session(tmp_path / "both", Goal()) as session:
        wanted = {("net", str(target)) for target in session.targets}
    rows = {(row["network"], row["target"]): row for row in found["rows"]}
    assert found["complete"]
    assert wanted | {("other", target) for _, target in wanted if "fp32" in target} == rows.keys()
    for row in rows.values():
        assert 0.0 < row["latency_s"]["low"] <= row["latency_s"]["mid"] <= row["latency_s"]["high"]
        assert row["method"] == "measured"
        assert "SHA-256" in row["source"]
    device = load_device(tmp_path / "mine.toml")
    assert (device.name, device.fingerprint, device.incomplete) == ("mine", fingerprint(), "")
    assert device.networks["net"].fully_connected == 2
    assert len(device.measured) == len(rows)


def test_sessions_forecasts_and_the_simulator_take_it(
    model: Path, profile: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = called(model, "--device", profile, "--remotes", "none", "--json", command=forecast)
    assert {each["methods"]["latency_s"] for each in json.loads(found.stdout)["targets"].values()} >= {"measured"}
    by_name = called("net", "--device", profile, "--remotes", "none", "--json", command=forecast)
    assert json.loads(by_name.stdout)["targets"] == json.loads(found.stdout)["targets"]
    with Session(model, options=SessionOptions(power_table=profile, sensors=())) as session:
        session.run(None, {"x": np.ones((1, 16), np.float32)})
        assert session.last.outcome.methods["energy_j.device"] is Method.MODELLED
    assert not caplog.records


def expected_s(model: Path, profile: Path) -> dict[str, float]:
    """How long a session would say that each of its targets takes, before anything has run."""
    device = assemble(Bundle.read(model), Goal(), {}, SessionOptions(power_table=profile, sensors=()))
    try:
        routes = [each for each in device.world.routes if isinstance(each, LocalRoute)]
        return {str(each.target): each.expected_times_s(None)[0] for each in routes}
    finally:
        device.close()


def test_a_sessions_first_guesses_are_the_rows_of_this_machine(model: Path, profile: Path) -> None:
    rows = {str(row.target): row.latency_s.mid for row in load_device(profile).measured}
    assert expected_s(model, profile) == pytest.approx(rows)
    text = profile.read_text()
    profile.write_text(text.replace(fingerprint(), "Their Processor, riscv64, 64 cores, 512 GiB"))
    unmeasured = expected_s(model, profile)
    assert unmeasured != pytest.approx(rows)
    profile.write_text(text.replace('network = "net"', 'network = "other"'))
    assert expected_s(model, profile) == pytest.approx(unmeasured)
    profile.write_text(text.replace(f'@{usable_cores()}t"', '#onnxruntime"'))
    assert expected_s(model, profile) == pytest.approx(rows)


def test_train_takes_it(profile: Path) -> None:
    worlds = pytest.importorskip("autoscale_envs.worlds.parameters")
    options = pytest.importorskip("autoscale_envs.worlds.options")
    made = worlds.make_parameters(options.WorldOptions(device=str(profile), settings="threads", remotes={}))
    assert made.device.fingerprint == fingerprint()


def test_what_is_there_is_not_lost_by_accident(model: Path, profile: Path) -> None:
    before = profile.read_text()
    failed = called(model, "--out", profile, *QUICK)
    assert isinstance(failed.exception, InvalidInput)
    assert "exists; allowed: --resume to go on with it, --replace to begin anew" in str(failed.exception)
    assert profile.read_text() == before
    assert measured(model, "--out", profile, "--replace", *QUICK)["kept"] == 0


def test_resuming_measures_what_is_missing_or_changed(tmp_path: Path, model: Path, profile: Path) -> None:
    rows = len(load_device(profile).measured)
    other = written(tmp_path / "other.onnx", network(seed=7))
    assert measured(model, other, "--out", profile, "--resume", *QUICK)["kept"] == rows
    assert {row.network for row in load_device(profile).measured} == {"net", "other"}
    written(model, network(seed=3))
    assert measured(model, other, "--out", profile, "--resume", *QUICK)["kept"] == rows


def test_resuming_keeps_the_rows_of_models_not_given_and_of_probes(tmp_path: Path, model: Path, profile: Path) -> None:
    text = profile.read_text()
    profile.write_text(text + text[text.index("[[measured]]") :].replace('"net"', '"probe-dense-fp32"'))
    before = set(load_device(profile).measured)
    found = measured(written(tmp_path / "other.onnx", network(seed=7)), "--out", profile, "--resume", *QUICK)
    after = load_device(profile).measured
    assert before < set(after)
    assert {row.network for row in after} == {"net", "probe-dense-fp32", "other"}
    assert load_device(profile).networks["net"].fully_connected == 2
    assert found["kept"] == len(before)
    assert any("not measured this time: net" in note for note in found["notes"])


def slow(path: Path, steps: int = 1000) -> Path:
    """A network that takes a while: products of matrices, one after the other."""
    body = helper.make_graph(
        [helper.make_node("MatMul", ["s_in", "m"], ["s_out"]), helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("s_in", TensorProto.FLOAT, [64, 64]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("s_out", TensorProto.FLOAT, [64, 64]),
        ],
    )
    weights = [
        helper.make_tensor("m", TensorProto.FLOAT, [64, 64], np.eye(64, dtype=np.float32).ravel()),
        helper.make_tensor("steps", TensorProto.INT64, [], [steps]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [64, 64]) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Loop", ["steps", "", "x"], ["y"], body=body)], "g", [x], [y], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_one_is_kept_marked_and_gone_on_with(
    tmp_path: Path, model: Path, number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "mine.toml"
    # The small network has its three bursts, and a row, while each of the slow ones' last is still to come.
    slows = [slow(tmp_path / f"slow-{index}.onnx", 3000 + index) for index in range(3)]
    command = [sys.executable, "-m", "autoscale", "calibrate", model, *slows, "--out", out, *QUICK]
    with subprocess.Popen([str(each) for each in command], stdout=subprocess.PIPE, text=True) as running:
        until(out.exists)
        running.send_signal(number)
        running.wait(60.0)
    assert running.returncode in (STOPPED, -number)
    assert running.returncode == (-number if number is signal.SIGKILL else STOPPED)
    assert [path.name for path in tmp_path.glob("*.toml")] == ["mine.toml"]
    with caplog.at_level(logging.WARNING):
        part = load_device(out)
    assert "goes on" in part.incomplete
    assert "is an incomplete calibration" in caplog.text
    assert part.measured
    found = measured(model, "--out", out, "--resume", *QUICK)
    assert found["complete"]
    assert found["kept"] == len(part.measured)
    assert not load_device(out).incomplete


def test_a_profile_of_another_machine_is_named(model: Path, profile: Path, caplog: pytest.LogCaptureFixture) -> None:
    theirs = "Their Processor, riscv64, 64 cores, 512 GiB"
    profile.write_text(profile.read_text().replace(fingerprint(), theirs))
    failed = called(model, "--out", profile, "--resume", *QUICK)
    assert isinstance(failed.exception, ProfileError)
    assert f"measured on another machine, '{theirs}'; this one is '{fingerprint()}'" in str(failed.exception)
    Session(model, options=SessionOptions(power_table=profile, sensors=())).close()
    assert f"profile 'mine' was measured on another machine, '{theirs}'" in caplog.text


def test_a_device_that_ships_is_no_calibration_to_go_on_with(tmp_path: Path, model: Path) -> None:
    (tmp_path / "rpi5.toml").write_text((devices_folder() / "rpi5.toml").read_text())
    failed = called(model, "--out", tmp_path / "rpi5.toml", "--resume", *QUICK)
    assert isinstance(failed.exception, ProfileError)
    assert "was not measured by 'autoscale calibrate'" in str(failed.exception)


def test_what_cannot_be_run_is_left_out_and_told(tmp_path: Path, model: Path) -> None:
    odd = network()
    odd.graph.node.append(helper.make_node("NoSuchOperator", ["logits"], ["odd"], domain="elsewhere"))
    odd.opset_import.append(helper.make_opsetid("elsewhere", 1))
    failed = called(written(tmp_path / "odd.onnx", odd), "--out", tmp_path / "mine.toml", *QUICK)
    assert isinstance(failed.exception, ModelError)
    assert not (tmp_path / "mine.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["absent.onnx"], ModelError, "'absent.onnx' does not exist"),
        (["net.onnx", "./net.onnx"], InvalidInput, "is given twice"),
        (["net.onnx", "sub/net.onnx"], InvalidInput, "are both called 'net'"),
        (["net.onnx", "--out", "mine.json"], InvalidInput, "a file that ends in .toml"),
        (["net.onnx", "--out", "absent/mine.toml"], InvalidInput, "the folder 'absent' does not exist"),
        (["net.onnx", "--seconds", "0"], InvalidInput, "--seconds is 0.0; allowed: 1 or more"),
        (["net.onnx", "--seconds", "nan"], InvalidInput, "--seconds is nan"),
        (["net.onnx", "--like", "laptp"], UnknownName, "did you mean 'laptop'"),
        (["net.onnx", "--min-battery", "2"], InvalidInput, "--min-battery is 2.0"),
        (["net.onnx", "--max-temperature-c", "900"], InvalidInput, "--max-temperature-c is 900.0"),
        (["cut.onnx"], ModelError, "cut.onnx"),
        (["open.onnx"], FeedError, "--shape x="),
        (["net.onnx", "--shape", "nothing=1x2"], FeedError, "--shape names 'nothing', which no model takes"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    arguments: list[str], error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "net.onnx", network())
    written(tmp_path / "sub" / "net.onnx", network())
    (tmp_path / "cut.onnx").write_bytes(network().SerializeToString()[:300])
    wide = network()
    wide.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "width"
    written(tmp_path / "open.onnx", wide)
    found = called(*arguments, *(() if "--seconds" in arguments else QUICK))
    assert isinstance(found.exception, error), (found.output, found.exception)
    assert message in str(found.exception)
    assert not list(tmp_path.glob("*.toml"))
