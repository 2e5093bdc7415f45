"""ONNX Runtime's names of policies, as goals of ours, and as a delegate that selects among its own devices."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from autoscale.errors import one_of
from autoscale.profiles import DeviceProfile, load_device
from autoscale.query.goal import Goal
from autoscale_runtime.drop_in.defaults import Defaults

POLICIES: Final = (
    "DEFAULT",
    "PREFER_CPU",
    "PREFER_NPU",
    "PREFER_GPU",
    "MAX_PERFORMANCE",
    "MAX_EFFICIENCY",
    "MIN_OVERALL_POWER",
)
"""``onnxruntime.OrtExecutionProviderDevicePolicy``."""

Delegate = Callable[[Sequence[Any], Mapping[str, str], Mapping[str, str], int], list[Any]]
"""Devices, the model's metadata, the runtime's, the most that may be selected, to those selected."""

_UNKNOWN_W: Final = math.inf


def goal_of(policy: str, goal: Goal | None = None) -> Goal:
    """What a policy means for each query: another objective, or no limit in time.

    ``MAX_PERFORMANCE`` is the least latency, ``MAX_EFFICIENCY`` the least energy among what is in time,
    ``MIN_OVERALL_POWER`` the least energy however long it takes. The others leave the goal as it is.

    Args:
        policy: by ONNX Runtime's name.
        goal: of which all else stays as it is; None for a goal's defaults.

    Raises:
        UnknownName: no policy of that name.
    """
    _check(policy)
    goal = Goal() if goal is None else goal
    objective = {"MAX_PERFORMANCE": "latency", "MAX_EFFICIENCY": "energy", "MIN_OVERALL_POWER": "energy"}
    limit_s = math.inf if policy == "MIN_OVERALL_POWER" else goal.latency_s
    return replace(goal, objective=objective.get(policy, goal.objective), latency_s=limit_s)


def selection_delegate(policy: str, power_table: str | Path | None = None) -> Delegate:
    """What ``SessionOptions.set_provider_selection_policy_delegate`` takes: selects once, when a session is made.

    ``MIN_OVERALL_POWER`` selects the device whose kind of processor draws least when busy, by the power table;
    ``MAX_EFFICIENCY`` an NPU before a GPU before the CPU; ``MAX_PERFORMANCE`` a GPU before an NPU before the CPU;
    ``PREFER_*`` that kind. The CPU comes last in any case, for what the others do not take.

    Args:
        policy: by ONNX Runtime's name.
        power_table: a device profile's name or its file; None for that which sessions go by.

    Raises:
        UnknownName: no policy, or no device profile, of that name.
        ProfileError: a profile that cannot be read.
    """
    _check(policy)
    profile = load_device(Defaults().options.power_table if power_table is None else power_table)

    def select(devices: Sequence[Any], model: Mapping[str, str], runtime: Mapping[str, str], most: int) -> list[Any]:
        ranked = sorted(devices, key=lambda each: _rank(policy, _kind(each), profile))
        wanted = ranked[:1] + [each for each in devices if _kind(each) == "cpu" and each is not ranked[0]][:1]
        return wanted[: most or len(wanted)]

    return select


def _check(policy: str) -> None:
    one_of("policy", policy, POLICIES)


def _rank(policy: str, kind: str, profile: DeviceProfile) -> tuple[float, int]:
    """Lower is better; the second decides where the first does not."""
    usual = ("cpu", "npu", "gpu").index(kind)
    if policy.startswith("PREFER_"):
        return float(kind != policy.removeprefix("PREFER_").lower()), usual
    if policy == "MIN_OVERALL_POWER":
        processor = profile.processors.get(kind)
        return _UNKNOWN_W if processor is None else processor.busy_w(processor.cores), usual
    orders = {"MAX_EFFICIENCY": ("npu", "gpu", "cpu"), "MAX_PERFORMANCE": ("gpu", "npu", "cpu")}
    return float(orders.get(policy, ("cpu", "npu", "gpu")).index(kind)), usual


def _kind(device: Any) -> str:
    return str(device.device.type.name).lower()
