"""``autoscale backends`` as a script and as a person calls it."""

import importlib.metadata
import json

import pytest
import typer
from typer.testing import CliRunner

from autoscale_runtime.backends import backends_command
from autoscale_runtime.backends.base import BACKENDS
from autoscale_runtime.backends.engines import OFF


def call(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(backends_command.backends)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "160"})
    assert result.exit_code == 0
    return result.stdout


def test_every_backend_is_there_with_what_it_has_or_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "")
    listed = {each["name"]: each for each in json.loads(call("--json"))["backends"]}
    assert set(BACKENDS.builtin) <= set(listed)
    for each in listed.values():
        assert bool(each["targets"]) != bool(each["needs"]), each
    assert "device:cpu/fp32@1t" in listed["onnxruntime"]["targets"]
    if listed["openvino"]["version"] is None:
        assert listed["openvino"]["needs"] == "pip install 'autoscale-inference[openvino]'"
    text = call()
    assert all(name in text for name in listed)


def test_backends_can_be_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "litert, openvino")
    assert not {"litert", "openvino"} & {each["name"] for each in json.loads(call("--json"))["backends"]}


def test_two_installs_of_onnx_runtime_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"onnxruntime": ["onnxruntime", "onnxruntime-gpu"]}
    monkeypatch.setattr(backends_command, "packages_distributions", lambda: both)
    [warning] = json.loads(call("--json"))["warnings"]
    assert warning.startswith("'onnxruntime', 'onnxruntime-gpu' own the files of 'onnxruntime' together")
    assert importlib.metadata.version("onnxruntime")
    assert "uninstall all of them" in call()
