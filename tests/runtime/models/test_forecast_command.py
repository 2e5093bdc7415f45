"""``autoscale forecast`` as a person and a script call it: all that names a network, and what it says of bad input."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from autoscale.errors import AutoScaleError, FeedError, InvalidTarget, ModelError, ProfileError, UnknownName
from autoscale.profiles.shipped import devices_folder
from autoscale_runtime.models.forecast_command import forecast
from tests.runtime.session_parts import bundle, network, written

KINDS = "gpu", "cpu"
FIGURES = ("latency_s", "energy_j", "carbon_g")


def asked(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(forecast)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def targets(*arguments: object) -> dict[str, dict[str, dict[str, float]]]:
    """The targets of an answer, each of whose figures is looked at."""
    result = asked(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["targets"]
    for target in found.values():
        assert all(0.0 < target[name]["low"] <= target[name]["mid"] <= target[name]["high"] for name in FIGURES)
        assert set(target["methods"]) == set(FIGURES)
    return found


@pytest.mark.parametrize("name", ["mobilenet-v1", "MobileNet V1"])
def test_a_network_that_ships_on_every_target(name: str) -> None:
    found = targets(name, "--device", "mi8pro")
    assert len(found) == 66  # as the simulator has them
    assert {"device:npu/int8", "edge:tab-s6:npu/int8", "cloud:gpu/fp32"} < found.keys()


def test_remotes_and_settings_are_those_of_train() -> None:
    found = targets("mobilebert", "--device", "rpi5", "--remotes", "cloud:gpu/fp32=gpu-server", "--settings", "threads")
    assert [*found][-1] == "cloud:gpu/fp32"
    assert {"device:cpu/int8@1t", "device:cpu/int8@4t"} < found.keys()
    assert not any(
        each.startswith(("edge", "cloud")) for each in targets("mobilebert", "--device", "rpi5", "--remotes", "none")
    )


def test_the_first_query_opens_its_target_and_pays_for_it() -> None:
    options = "mobilenet-v1", "--device", "pixel9", "--remotes", "cloud=gpu-server"
    warm, cold = targets(*options), targets(*options, "--cold")
    for name, each in warm.items():
        if name.startswith("cloud"):
            assert each["open_s"] is each["open_j"] is None
            assert cold[name] == each
            continue
        for figure, opening in (("latency_s", "open_s"), ("energy_j", "open_j")):
            for end in ("low", "mid", "high"):
                assert cold[name][figure][end] == pytest.approx(each[figure][end] + each[opening][end])
        assert cold[name]["carbon_g"]["mid"] > each["carbon_g"]["mid"]
        assert {each["open_s"]["method"], each["open_j"]["method"]} <= {"modelled", "default"}
    on_gpu, on_cpu = (next(each for name, each in warm.items() if name.startswith(f"device:{kind}")) for kind in KINDS)
    assert on_gpu["open_s"]["mid"] > on_cpu["open_s"]["mid"]


def test_a_model_file_a_bundle_and_a_toml_are_networks(tmp_path: Path) -> None:
    model = written(tmp_path / "net.onnx", network())
    bundle(tmp_path / "files").write(tmp_path / "net")
    options = "--device", "rpi5", "--remotes", "none"
    from_file = targets(model, *options)
    assert targets(tmp_path / "net", *options) == targets(tmp_path / "net" / "model.toml", *options)
    assert from_file.keys() == targets(tmp_path / "net", *options).keys()
    (tmp_path / "unnamed").write_bytes(model.read_bytes())
    assert targets(tmp_path / "unnamed", *options) == from_file


def test_a_device_may_be_a_file(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text((devices_folder() / "rpi5.toml").read_text().replace('name = "rpi5"', 'name = "mine"'))
    assert targets("mobilenet-v1", "--device", own) == targets("mobilenet-v1", "--device", "rpi5")


def test_rows_of_another_network_of_that_name_are_left_out_and_told(tmp_path: Path) -> None:
    options = "--device", "rpi4", "--remotes", "none"
    namesake = targets(written(tmp_path / "mobilenet-v1.onnx", network()), *options)
    measured = targets("mobilenet-v1", *options)
    of_rows = [target for target, each in measured.items() if each["methods"]["latency_s"] == "measured"]
    assert of_rows
    assert all(namesake[each]["methods"]["latency_s"] != "measured" for each in of_rows)
    told = asked(tmp_path / "mobilenet-v1.onnx", *options).stderr
    assert "the rows of 'mobilenet-v1' in rpi4 are of another network (568,741,376 MACs" in told
    assert "another network" not in asked("mobilenet-v1", *options).stderr


def test_people_are_shown_the_most_frugal_setting_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    short, long = (asked("mobilenet-v1", "--device", "mi8pro", *more).output for more in ([], ["--all"]))
    assert short.count("device:cpu/fp32@") == 1 < long.count("device:cpu/fp32@")
    assert " ms (" in short
    assert "modelled: by a model that was fitted to measurements" in short


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["mobilenet-1", "--device", "rpi5"], UnknownName, "did you mean 'mobilenet-v1'"),
        (["", "--device", "rpi5"], UnknownName, "unknown network ''"),
        (["mobilenet-v1", "--device", "pixel"], UnknownName, "did you mean 'pixel9'"),
        (["mobilenet-v1", "--device", "absent.toml"], ProfileError, "absent.toml cannot be read"),
        (["absent.onnx", "--device", "rpi5"], ModelError, "'absent.onnx' is missing"),
        (["absent.toml", "--device", "rpi5"], ProfileError, "absent.toml cannot be read"),
        ([".", "--device", "rpi5"], ProfileError, "model.toml cannot be read"),
        (["mobilenet-v1", "--device", "rpi5", "--remotes", "clod=gpu-server"], InvalidTarget, "'clod' is no remote"),
        (["mobilenet-v1", "--device", "rpi5", "--remotes", "cloud=gpu-serve"], UnknownName, "'gpu-server'"),
        (["mobilenet-v1", "--device", "rpi5", "--settings", "thread"], UnknownName, "'threads'"),
        (["mobilenet-v1", "--device", "rpi5", "--shape", "x"], FeedError, "--shape 'x' is not NAME=DIMS"),
        (["mobilenet-v1", "--device", "rpi5", "--cpu-load", "2"], AutoScaleError, "cpu_load is 2.0"),
        (["mobilenet-v1", "--device", "rpi5", "--place", "Atlantis"], UnknownName, "Atlantis"),
    ],
)
def test_what_is_wrong_is_named(
    arguments: list[str], error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = asked(*arguments).exception
    assert isinstance(found, error), found
    assert message in str(found)


def test_what_is_no_model_and_what_is_open_is_told(tmp_path: Path) -> None:
    damaged = tmp_path / "cut.onnx"
    damaged.write_bytes(network().SerializeToString()[:200])
    assert isinstance(asked(damaged, "--device", "rpi5").exception, ModelError)
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "width"
    (tmp_path / "open.onnx").write_bytes(model.SerializeToString())
    found = asked(tmp_path / "open.onnx", "--device", "rpi5").exception
    assert isinstance(found, FeedError)
    assert "--shape x=" in str(found)


def test_a_network_that_was_measured_elsewhere_is_predicted_under_every_engine_of_the_device() -> None:
    found = targets("efficientnet-lite0", "--device", "rpi4")
    assert {"device:cpu/int8@1800MHz", "device:cpu/int8#tflite", "device:cpu/int8#armnn"} <= found.keys()
    assert found["device:cpu/int8#tflite"]["methods"]["latency_s"] == "modelled"
    own = targets("mobilenet-v2-0.5-160", "--device", "rpi4")
    assert own["device:cpu/int8#tflite"]["methods"]["latency_s"] == "measured"
    assert "device:cpu/int8@600MHz" in own
