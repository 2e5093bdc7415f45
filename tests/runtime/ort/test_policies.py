"""ONNX Runtime's policies by name: goals of queries, and a delegate that ONNX Runtime itself calls."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from autoscale.errors import UnknownName
from autoscale.query.goal import Goal, InferenceMode
from autoscale_runtime.ort.policies import POLICIES, goal_of, selection_delegate
from tests.runtime.session_parts import network, rows, written


def devices(*kinds: str) -> list[Any]:
    return [SimpleNamespace(device=SimpleNamespace(type=SimpleNamespace(name=kind.upper()))) for kind in kinds]


def selected(policy: str, *kinds: str, most: int = 8, table: str = "mi8pro") -> list[str]:
    chosen = selection_delegate(policy, table)(devices(*kinds), {}, {}, most)
    return [each.device.type.name.lower() for each in chosen]


def test_the_names_are_onnx_runtimes() -> None:
    assert set(POLICIES) == set(onnxruntime.OrtExecutionProviderDevicePolicy.__members__)


def test_what_they_select() -> None:
    every = ("cpu", "gpu", "npu")
    assert selected("PREFER_GPU", *every) == ["gpu", "cpu"]
    assert selected("PREFER_CPU", *every) == ["cpu"]
    assert selected("PREFER_NPU", "cpu", "gpu") == ["cpu"]
    assert selected("MAX_EFFICIENCY", *every) == ["npu", "cpu"]
    assert selected("MAX_PERFORMANCE", *every) == ["gpu", "cpu"]
    assert selected("MAX_PERFORMANCE", *every, most=1) == ["gpu"]
    assert selected("MIN_OVERALL_POWER", "cpu", "gpu")[0] == "gpu"  # of this phone, by its table
    assert selected("MIN_OVERALL_POWER", "cpu", "gpu", table="laptop") == ["cpu"]  # whose table knows a CPU alone


def test_what_they_mean_for_a_query() -> None:
    mine = Goal(objective="carbon", latency_s=0.1, min_accuracy=0.9)
    assert goal_of("DEFAULT", mine) == goal_of("PREFER_NPU", mine) == mine
    assert goal_of("MAX_PERFORMANCE", mine).objective == "latency"
    assert goal_of("MAX_EFFICIENCY", mine) == Goal("energy", 0.1, 0.9)
    assert goal_of("MIN_OVERALL_POWER", mine) == Goal("energy", math.inf, 0.9)
    with pytest.raises(UnknownName, match="did you mean 'MIN_OVERALL_POWER'"):
        goal_of("MIN_POWER")


@pytest.mark.parametrize("policy", POLICIES)
def test_onnx_runtime_takes_the_delegate(policy: str, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.set_provider_selection_policy_delegate(selection_delegate(policy))
    session = onnxruntime.InferenceSession(str(written(tmp_path / "net.onnx", network())), options)
    assert session.run(None, {"x": rows(2)})[0].shape == (2, 8)


def test_a_goal_keeps_what_the_policy_does_not_speak_of() -> None:
    goal = Goal("carbon", 0.2, 0.7, InferenceMode.ONLY_ON_DEVICE, on_time=0.99)
    assert goal_of("DEFAULT", goal) == goal_of("PREFER_GPU", goal) == goal
    assert goal_of("MAX_PERFORMANCE", goal) == replace(goal, objective="latency")
    assert goal_of("MIN_OVERALL_POWER", goal) == replace(goal, objective="energy", latency_s=math.inf)
