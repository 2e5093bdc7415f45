"""The physics of computing one inference, and what of the paper's findings follows from it alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import InvalidTarget, ProfileError
from autoscale.physics.compute import compute, cost_table
from autoscale.profiles import device_names, load_device
from autoscale.profiles.networks import load_network, network_names
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Method
from autoscale.query.target import Target

DEVICES = {name: replace(load_device(name), measured=()) for name in device_names()}
NETWORKS = {name: load_network(name) for name in network_names()}
PHONES = ("mi8pro", "s10e", "moto-x-force")
UNITS = [
    (name, kind, precision)
    for name, device in DEVICES.items()
    for kind, processor in device.processors.items()
    for precision in processor.precisions
]
units = st.sampled_from(UNITS)
networks = st.sampled_from(sorted(NETWORKS))


def least_energy_j(device: str, network: str, *kinds: str) -> float:
    """Of all precisions of some processors, at their highest frequency."""
    phone = DEVICES[device]
    found = [Target("device", kind, each) for kind in kinds for each in phone.processors[kind].precisions]
    return min(compute(phone, NETWORKS[network], target).energy_j for target in found)


def helpers(device: str) -> list[str]:
    return [kind for kind in DEVICES[device].processors if kind != "cpu"]


@given(units, networks)
def test_every_figure_makes_sense(unit, network):
    name, kind, precision = unit
    cost = compute(DEVICES[name], NETWORKS[network], Target("device", kind, precision))
    assert 0.0 < cost.low_s <= cost.latency_s <= cost.high_s < 60.0
    assert cost.energy_j == pytest.approx((cost.busy_w + cost.cores * cost.core_w) * cost.latency_s)
    assert 0.0 <= cost.memory_bound <= 1.0 and 0.0 <= cost.cpu_bound <= 1.0
    assert cost.memory_bound + cost.cpu_bound <= 1.0 + 1e-9
    assert cost.method in Method


@pytest.mark.parametrize(("name", "kind", "precision"), UNITS)
def test_a_higher_frequency_is_faster_and_more_memory_bound(name, kind, precision):
    device = DEVICES[name]
    steps = device.processors[kind].frequencies_hz
    targets = [Target("device", kind, precision, frequency_hz=step) for step in steps]
    costs = cost_table(device, [NETWORKS["resnet-50"]], targets)
    assert (np.diff(costs.latency_s) < 0).all() and (np.diff(costs.energy_j / costs.latency_s) >= -1e-12).all()
    if kind == "cpu":
        assert (np.diff(costs.memory_bound) > 0).all()


@given(st.sampled_from(sorted(DEVICES)), networks, st.integers(1, 64))
def test_more_threads_are_faster_until_the_cores_are_used(name, network, threads):
    device, model = DEVICES[name], NETWORKS[network]
    one, more = (compute(device, model, Target("device", "cpu", "fp32", threads=n)) for n in (threads, threads + 1))
    if threads < device.processors["cpu"].cores:
        assert more.latency_s < one.latency_s and more.energy_j / more.latency_s > one.energy_j / one.latency_s
    else:
        assert more == one == compute(device, model, Target("device", "cpu", "fp32"))


@given(units, networks, st.floats(1.01, 10.0))
def test_more_work_takes_longer(unit, network, factor):
    name, kind, precision = unit
    model = NETWORKS[network]
    heavier = replace(model, macs_by_kind={k: round(macs * factor) for k, macs in model.macs_by_kind.items()})
    fatter = replace(model, values_by_kind={k: round(moved * factor) for k, moved in model.values_by_kind.items()})
    target = Target("device", kind, precision)
    base, *more = (compute(DEVICES[name], each, target).latency_s for each in (model, heavier, fatter))
    assert min(more) > base


@given(units, networks)
def test_fewer_bits_are_never_slower(unit, network):
    name, kind, precision = unit
    order = [each for each in ("fp32", "fp16", "int8") if each in DEVICES[name].processors[kind].precisions]
    latencies = [compute(DEVICES[name], NETWORKS[network], Target("device", kind, each)).latency_s for each in order]
    assert latencies == sorted(latencies, reverse=True)
    assert precision in order


def test_a_table_is_compute_for_every_pair():
    device, models = DEVICES["mi8pro"], list(NETWORKS.values())
    costs = cost_table(device, models, device.targets())
    assert costs.latency_s.shape == (10, 61)
    cell = compute(device, models[3], device.targets()[40])
    assert (costs.energy_j[3, 40], costs.cpu_bound[3, 40]) == (cell.energy_j, cell.cpu_bound)


def test_a_profile_without_counts_of_layers_and_values_is_still_placed_in_the_right_order():
    bare = ModelProfile("bare", conv=14, macs=569_000_000, parameters=4_200_000)
    known = compute(DEVICES["mi8pro"], NETWORKS["mobilenet-v1"], Target.parse("device:cpu/fp32")).latency_s
    assert compute(DEVICES["mi8pro"], bare, Target.parse("device:cpu/fp32")).latency_s == pytest.approx(known, rel=0.4)


def test_an_empty_network_costs_a_launch():
    cost = compute(DEVICES["mi8pro"], ModelProfile("empty"), Target.parse("device:cpu/fp32"))
    assert cost.latency_s == pytest.approx(DEVICES["mi8pro"].processors["cpu"].speed.launch_s)


@pytest.mark.parametrize("name", ["s10e", "moto-x-force"])
def test_phones_without_a_dsp_refuse_it(name):
    with pytest.raises(InvalidTarget, match=f"{name} has no npu; allowed: 'cpu', 'gpu'"):
        compute(DEVICES[name], NETWORKS["resnet-50"], Target.parse("device:dsp/int8"))


def test_a_precision_that_a_processor_lacks_is_refused():
    with pytest.raises(InvalidTarget, match="npu of mi8pro has no fp32; allowed: 'int8'"):
        compute(DEVICES["mi8pro"], NETWORKS["resnet-50"], Target.parse("device:npu/fp32"))


def test_a_device_without_a_speed_says_which_table_is_missing():
    phone = DEVICES["mi8pro"]
    cpu = replace(phone.processors["cpu"], speed=None)
    with pytest.raises(ProfileError, match=r"mi8pro: \[cpu.speed.fp32\] is missing"):
        compute(replace(phone, processors={"cpu": cpu}), NETWORKS["resnet-50"], Target.parse("device:cpu/fp32"))


@pytest.mark.parametrize("device", PHONES)
@pytest.mark.parametrize("network", ["mobilenet-v1", "mobilenet-v2", "inception-v1", "ssd-mobilenet-v1"])
def test_light_convolutional_networks_prefer_the_co_processors(device, network):
    assert least_energy_j(device, network, *helpers(device)) < least_energy_j(device, network, "cpu")


@pytest.mark.parametrize("device", PHONES)
def test_networks_heavy_in_fully_connected_layers_gain_least_from_a_co_processor(device):
    gain = {n: least_energy_j(device, n, "cpu") / least_energy_j(device, n, *helpers(device)) for n in NETWORKS}
    assert gain["mobilenet-v3"] < gain["mobilenet-v1"]
    assert gain["ssd-mobilenet-v3"] < gain["ssd-mobilenet-v1"]
    assert min(gain, key=gain.__getitem__) == "mobilebert"


def test_what_a_co_processor_cannot_do_runs_on_the_cpu():
    phone, model = DEVICES["mi8pro"], NETWORKS["mobilebert"]
    assert compute(phone, model, Target.parse("device:dsp/int8")) == compute(
        phone, model, Target.parse("device:cpu/int8")
    )
    assert compute(phone, model, Target.parse("device:gpu/fp16")) == compute(
        phone, model, Target.parse("device:cpu/fp32")
    )


def test_a_cpu_bound_target_is_a_cpu_and_a_gpu_waits_for_memory():
    phone, model = DEVICES["mi8pro"], NETWORKS["mobilenet-v1"]
    cpu, gpu, npu = (
        compute(phone, model, Target.parse(f"device:{each}")) for each in ("cpu/fp32", "gpu/fp16", "npu/int8")
    )
    assert cpu.cpu_bound > 0.8 > 0.5 > max(gpu.cpu_bound, npu.cpu_bound)
    assert gpu.memory_bound > cpu.memory_bound
