"""Measured rows in the physics: a row is the answer, near it the model is corrected, far from it nothing changes."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import ProfileError
from autoscale.interval import Interval
from autoscale.physics.compute import compute, cost_table
from autoscale.physics.measured import accuracy, namesake_of
from autoscale.prediction import predictions
from autoscale.profiles import DeviceProfile, load_device
from autoscale.profiles.measured import MeasuredRow
from autoscale.profiles.networks import load_network, measured_networks
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Method
from autoscale.query.target import Target

BOARD = replace(load_device("rpi5"), measured=())
MODEL = load_network("mobilenet-v2")
OTHER = load_network("mobilenet-v1")
INT8 = Target.parse("device:cpu/int8@4t#tflite")
UNHEARD = replace(INT8, engine="mine")
"""By an engine that no device was measured with that ships, so that its own rows alone say how far a board is off."""


def row(
    latency_s: float, network: str = MODEL.name, target: Target = INT8, power_w: float | None = None
) -> MeasuredRow:
    return MeasuredRow(network, target, Interval.about(latency_s, 0.05), power_w=power_w, source="a test")


def board(*rows: MeasuredRow) -> DeviceProfile:
    return replace(BOARD, measured=rows)


def at(device: DeviceProfile, target: str, model: ModelProfile = MODEL):
    return compute(device, model, Target.parse(f"device:{target}"))


def test_a_row_is_what_it_costs():
    cost = at(board(row(0.5, power_w=7.0)), "cpu/int8@4t#tflite")
    assert (cost.low_s, cost.latency_s, cost.high_s) == pytest.approx((0.475, 0.5, 0.525))
    assert cost.energy_j + BOARD.idle_w * 0.5 == pytest.approx(3.5)
    assert (cost.whole_j.low, cost.whole_j.mid, cost.whole_j.high) == pytest.approx((3.325, 3.5, 3.675))
    assert (cost.method, cost.energy_method) == (Method.MEASURED, Method.MEASURED)


@pytest.mark.parametrize("same", ["cpu/int8#tflite", "cpu/int8@2400MHz#tflite", "cpu/int8", "cpu/int8@4t"])
def test_a_setting_is_the_same_however_it_is_said(same):
    assert at(board(row(0.5)), same).method is Method.MEASURED


def test_without_joules_the_watts_are_the_devices_own():
    cost = at(board(row(0.5)), "cpu/int8")
    assert cost.energy_j == pytest.approx(0.5 * BOARD.processors["cpu"].busy_w(4))
    assert cost.energy_method is BOARD.figures["cpu.core_w"].method


@pytest.mark.parametrize(("power_w", "spread"), [(1.5, 0.01), (2.9, 0.3), (3.0, 0.0), (9.0, 0.01)])
def test_a_rows_joules_are_its_own_whatever_the_idle_power_and_its_latency(power_w, spread):
    joules = Interval.about(0.5 * power_w, spread)
    wide = replace(row(0.5), latency_s=Interval(0.3, 0.5, 0.9), energy_j=joules)
    cost = at(board(wide), "cpu/int8@4t#tflite")
    assert (cost.whole_j, cost.energy_method) == (joules, Method.MEASURED)
    assert cost.energy_j + BOARD.idle_w * 0.5 == pytest.approx(joules.mid)
    found = {each.target: each for each in predictions(board(wide), MODEL)}
    assert (found[INT8].latency_s, found[INT8].energy_j) == (wide.latency_s, joules)


def test_a_target_without_an_engine_may_be_any_that_was_measured():
    armnn = replace(INT8, engine="armnn")
    cost = at(board(row(0.1), row(0.4, target=armnn)), "cpu/int8")
    assert cost.latency_s == pytest.approx(0.2)
    assert (cost.low_s, cost.high_s) == pytest.approx((0.095, 0.42))
    assert cost.method is Method.MEASURED


def test_an_engine_that_was_not_measured_is_near_only():
    slow_s = 1.5 * at(board(), "cpu/int8").latency_s
    cost = at(board(row(slow_s)), "cpu/int8#onnxruntime")
    assert cost.method is Method.MODELLED
    assert cost.low_s < slow_s < cost.high_s


@pytest.mark.parametrize("near", ["cpu/int8@1500MHz#tflite", "cpu/int8@2t#tflite", "cpu/int8@1t"])
def test_the_same_network_at_another_setting_is_as_much_off(near):
    bare, slow = at(board(), near), at(board(row(3.0 * at(board(), "cpu/int8").latency_s)), near)
    assert slow.latency_s == pytest.approx(3.0 * bare.latency_s)
    assert slow.method is Method.MODELLED
    assert slow.low_s < 0.85 * slow.latency_s < 1.2 * slow.latency_s < slow.high_s


def test_the_same_network_in_another_precision_is_nearly_as_much_off():
    bare, slow = at(board(), "cpu/fp32"), at(board(row(3.0 * at(board(), "cpu/int8").latency_s)), "cpu/fp32#tflite")
    assert 1.8 * bare.latency_s < slow.latency_s < 3.0 * bare.latency_s


def test_other_networks_correct_less_the_more_they_differ():
    bare = at(board(), "cpu/int8").latency_s
    corrected = board(row(3.0 * bare))
    alike, unlike = load_network("mobilenet-v2-1.4-224"), load_network("mobilebert")
    gains = [
        at(corrected, "cpu/int8#tflite", each).latency_s / at(board(), "cpu/int8", each).latency_s
        for each in (alike, unlike)
    ]
    assert 3.0 > gains[0] > gains[1] > 1.0


def test_watts_are_corrected_as_latencies_are():
    hungry = board(row(0.5, power_w=BOARD.idle_w + 2.0 * BOARD.processors["cpu"].busy_w(4)))
    assert at(hungry, "cpu/int8#tflite", OTHER).core_w > 1.3 * at(board(), "cpu/int8", OTHER).core_w


def test_another_processor_or_device_is_as_it_was():
    phone = load_device("mi8pro")
    slow = replace(phone, measured=(row(9.0, target=Target.parse("device:cpu/int8@4t")),))
    gpu = Target.parse("device:gpu/fp16")
    assert compute(slow, MODEL, gpu) == compute(phone, MODEL, gpu)


def test_a_network_of_which_nothing_is_known_has_its_row():
    unknown = ModelProfile("my own")
    assert at(board(row(0.5, "my own")), "cpu/int8", unknown).latency_s == 0.5
    known = replace(unknown, conv=10, macs=10**9, macs_by_kind={"conv": 10**9})
    near = at(board(row(0.5, "my own")), "cpu/fp32#tflite", known)
    assert near.method is Method.MODELLED
    assert near.latency_s != at(board(), "cpu/fp32", known).latency_s


def test_a_row_needs_no_speed_and_what_has_neither_is_refused():
    cpu = replace(BOARD.processors["cpu"], speed=None)
    bare = replace(board(row(0.5)), processors={"cpu": cpu})
    assert at(bare, "cpu/int8").latency_s == 0.5
    with pytest.raises(ProfileError, match=r"\[cpu.speed.fp32\] is missing"):
        at(bare, "cpu/fp32")


def test_a_file_may_know_its_networks():
    mine = replace(MODEL, name="mine")
    rows = board(row(3.0 * at(board(), "cpu/int8").latency_s, "mine"))
    assert at(rows, "cpu/int8#tflite") == at(board(), "cpu/int8#tflite")
    known = replace(rows, networks={"mine": mine})
    assert at(known, "cpu/int8#tflite").latency_s > 2.0 * at(board(), "cpu/int8").latency_s


@pytest.mark.parametrize(
    "changes",
    [{"macs": 8 * MODEL.macs}, {"macs": MODEL.macs // 2}, {"parameters": 2 * MODEL.parameters}, {"parameters": 0}],
)
def test_rows_of_another_network_of_that_name_are_not_its_own(changes):
    """Many files are ``model.onnx``: a network of a thousand times the work was told to have been measured at 16 us."""
    namesake = replace(MODEL, **changes)
    device = board(replace(row(0.5), accuracy=0.7))
    cost = at(device, "cpu/int8#tflite", namesake)
    assert cost.method is Method.MODELLED
    assert namesake_of(device, namesake) == MODEL
    assert accuracy(device, replace(namesake, accuracies={}), INT8) is None
    for own in ({MODEL.name: namesake}, {MODEL.name: ModelProfile(MODEL.name)}):  # the file says whose the rows are
        assert at(replace(device, networks=own), "cpu/int8#tflite", namesake).latency_s == 0.5


def test_files_of_one_network_that_differ_a_little_have_its_rows():
    folded = replace(MODEL, macs=int(0.9 * MODEL.macs), parameters=int(1.1 * MODEL.parameters))
    for same in (MODEL, folded, ModelProfile(MODEL.name)):
        assert at(board(row(0.5)), "cpu/int8#tflite", same).latency_s == 0.5
        assert namesake_of(board(row(0.5)), same) is None


@given(st.floats(1e-4, 1e3), st.floats(1e-4, 1e3), st.sampled_from(["cpu/int8", "cpu/fp32@1t", "cpu/fp16@1600MHz#x"]))
def test_the_middle_lies_between_the_ends(one_s, other_s, where):
    device = board(row(one_s, power_w=4.0), row(other_s, OTHER.name, power_w=9.0))
    cost = at(device, where)
    assert 0.0 < cost.low_s <= cost.latency_s <= cost.high_s
    assert 0.0 < cost.whole_j.low <= cost.whole_j.mid <= cost.whole_j.high
    assert cost.whole_j.mid == pytest.approx(cost.energy_j + BOARD.idle_w * cost.latency_s)


def test_many_rows_make_it_surer_than_one():
    networks = list(measured_networks().values())
    truth = [1.5 * compute(BOARD, each, INT8).latency_s for each in networks]
    rows = [row(latency_s, each.name, UNHEARD) for latency_s, each in zip(truth, networks, strict=True)]
    few, many = at(board(*rows[:1]), "cpu/int8#mine", OTHER), at(board(*rows), "cpu/int8#mine", OTHER)
    assert many.latency_s == pytest.approx(1.5 * compute(BOARD, OTHER, INT8).latency_s, rel=0.05)
    assert np.log(many.high_s / many.low_s) < 0.6 * np.log(few.high_s / few.low_s)


def test_a_network_that_another_device_of_the_kind_ran_is_foretold_better():
    phone = load_device("galaxy-s25")
    rows = [each for each in phone.measured if each.target.processor == "gpu"]

    def off(kind: str) -> float:
        """Of each network's row, foretold without it."""
        left = [replace(phone, kind=kind, measured=tuple(each for each in rows if each != out)) for out in rows]
        told_s = [
            compute(device, load_network(out.network), out.target).latency_s
            for device, out in zip(left, rows, strict=True)
        ]
        return float(np.median(np.abs(np.log(told_s) - np.log([out.latency_s.mid for out in rows]))))

    assert off("phone") < 0.5 * off("laptop")


def test_what_others_measured_by_another_engine_says_nothing():
    alone, among = (replace(board(row(0.5, target=UNHEARD)), kind=kind) for kind in ("laptop", "board"))
    assert at(among, "cpu/int8", OTHER) == at(alone, "cpu/int8", OTHER)


def test_a_table_is_its_cells():
    device = board(row(0.5, power_w=7.0))
    costs = cost_table(device, [MODEL, OTHER], device.targets())
    cell = compute(device, OTHER, device.targets()[3])
    assert (costs.latency_s[1, 3], costs.energy_j[1, 3]) == (cell.latency_s, cell.energy_j)


def test_what_was_judged_on_the_device_comes_before_the_networks_own_accuracy():
    judged = replace(row(0.1), accuracy=0.6)
    assert accuracy(board(judged), MODEL, Target.parse("device:cpu/int8@1t")) == 0.6
    assert accuracy(board(judged), MODEL, Target.parse("device:cpu/fp32")) == MODEL.accuracy("fp32")
    assert accuracy(board(row(0.1)), MODEL, INT8) == MODEL.accuracy("int8")


def test_ten_thousand_rows_are_no_burden():
    rows = [replace(row(0.001 * n), network=f"n{n}") for n in range(1, 5000)]
    known = {each.network: replace(MODEL, name=each.network, macs=10**6 * n) for n, each in enumerate(rows, start=1)}
    many = replace(board(*rows), networks=known)
    begun_s = time.process_time()
    cost_table(many, [OTHER], many.targets())
    assert time.process_time() - begun_s < 20.0


def test_a_figure_that_may_be_nothing_has_a_low_end():
    figures = {**BOARD.figures, "cpu.core_w": replace(BOARD.figures["cpu.core_w"], low=tuple([0.0] * 10))}
    figures["cpu.shared_w"] = replace(BOARD.figures["cpu.shared_w"], low=tuple([0.0] * 10))
    cost = at(replace(BOARD, figures=figures), "cpu/int8")
    idle_j = BOARD.figures["power.idle_w"].low * cost.low_s
    assert 0.0 < cost.whole_j.low - idle_j < 0.01 * cost.energy_j
