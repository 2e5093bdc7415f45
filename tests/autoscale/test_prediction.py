"""What is predicted is ordered, told with its methods, and follows what a query meets."""

from dataclasses import replace

import pytest

from autoscale import Electricity
from autoscale.errors import InvalidInput, ProfileError, UnknownName
from autoscale.interval import Interval
from autoscale.prediction import Conditions, Prediction, predictions
from autoscale.profiles import DeviceProfile, device_names, load_device
from autoscale.profiles.measured import MeasuredRow
from autoscale.profiles.networks import load_network, network_names
from autoscale.profiles.remotes import make_remotes
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Method
from autoscale.query.target import Target

EVERYWHERE = make_remotes({"cloud": "gpu-server", "edge:tablet": "tab-s6"}, {})


def by_target(found: list[Prediction]) -> dict[str, Prediction]:
    return {str(each.target): each for each in found}


@pytest.mark.parametrize("device", device_names())
def test_every_device_has_an_ordered_forecast_of_every_network(device: str) -> None:
    for name in network_names():
        for each in predictions(load_device(device), load_network(name), EVERYWHERE):
            for figure in (each.latency_s, each.energy_j, each.carbon_g):
                assert 0.0 < figure.low <= figure.mid <= figure.high
            assert set(each.methods) == {"latency_s", "energy_j", "carbon_g"}


def test_co_runners_weak_signals_and_coal_cost_more() -> None:
    phone, model = load_device("mi8pro"), load_network("mobilenet-v1")
    calm = by_target(predictions(phone, model, EVERYWHERE))
    busy = by_target(predictions(phone, model, EVERYWHERE, conditions=Conditions(cpu_load=0.8)))
    weak = by_target(predictions(phone, model, EVERYWHERE, conditions=Conditions(rssi_dbm=-88.0)))
    clean = by_target(predictions(phone, model, EVERYWHERE, electricity=Electricity("FR")))
    here, away = next(target for target in reversed(calm) if target.startswith("device:cpu")), "cloud:gpu/fp32"
    assert busy[here].latency_s.mid > 1.3 * calm[here].latency_s.mid
    assert busy[away].latency_s == calm[away].latency_s
    assert weak[away].energy_j.mid > 1.3 * calm[away].energy_j.mid
    assert weak[here] == calm[here]
    assert clean[here].carbon_g.mid < calm[here].carbon_g.mid


def test_a_network_of_nothing_costs_what_launching_does() -> None:
    assert all(each.latency_s.mid > 0.0 for each in predictions(load_device("rpi5"), ModelProfile("nothing")))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cpu_load": 1.2}, "cpu_load is 1.2; allowed: a fraction from 0 to 1"),
        ({"memory_load": -0.1}, "memory_load is -0.1"),
        ({"memory_load": float("nan")}, "memory_load is nan"),
        ({"rssi_dbm": 20.0}, "rssi_dbm is 20.0; allowed: dBm from -150 to 0"),
    ],
)
def test_conditions_that_cannot_be(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Conditions(**wrong)


def test_settings_and_places_are_named() -> None:
    phone, model = load_device("mi8pro"), load_network("mobilenet-v1")
    with pytest.raises(UnknownName, match="did you mean 'threads'"):
        predictions(phone, model, settings="thread")
    with pytest.raises(UnknownName, match="Frnace"):
        predictions(phone, model, electricity=Electricity("Frnace"))


def test_a_measured_row_is_the_forecast_and_names_its_target() -> None:
    phone, model = load_device("mi8pro"), load_network("mobilenet-v1")
    target = Target.parse("device:npu/int8#mine")
    row = MeasuredRow(model.name, target, Interval(0.004, 0.005, 0.007), Interval(0.02, 0.03, 0.04), accuracy=0.5)
    found = by_target(predictions(replace(phone, measured=(row,)), model))
    assert found[str(target)].latency_s.mid == pytest.approx(0.005)
    assert found[str(target)].latency_s.high == 0.007
    assert found[str(target)].energy_j.mid == pytest.approx(0.03)
    assert found[str(target)].methods["latency_s"] is Method.MEASURED
    assert found[str(target)].accuracy == 0.5


def test_of_a_network_that_is_known_by_its_rows_alone_those_are_told() -> None:
    row = MeasuredRow("theirs", Target.parse("device:cpu/int8@4t"), Interval(0.004, 0.005, 0.007), source="their log")
    found = predictions(replace(load_device("rpi5"), measured=(row,)), ModelProfile("theirs"), EVERYWHERE)
    assert [str(each.target) for each in found] == ["device:cpu/int8@4t"]


def without_speed(*rows: MeasuredRow) -> DeviceProfile:
    whole = load_device("rpi5")
    cpu = replace(whole.processors["cpu"], speed=None)
    return replace(whole, processors={**whole.processors, "cpu": cpu}, measured=rows)


def test_where_a_file_has_rows_and_no_speed_the_rows_are_told_of_a_network_that_ships_too() -> None:
    row = MeasuredRow("resnet-50", Target.parse("device:cpu/int8@2t#ncnn"), Interval(0.08, 0.09, 0.1), source="a log")
    machine = without_speed(row)
    found = predictions(machine, load_network("resnet-50"))
    assert {each.target.precision for each in found} == {"int8"}
    assert by_target(found)[str(row.target)].latency_s.mid == pytest.approx(0.09)
    with pytest.raises(ProfileError, match=r"\[cpu.speed.fp32\] is missing"):
        predictions(machine, load_network("mobilenet-v1"))


def test_another_machine_with_rows_and_no_speed_tells_its_rows() -> None:
    row = MeasuredRow("resnet-50", Target.parse("device:cpu/fp32"), Interval(0.08, 0.09, 0.1), source="a log")
    far = [replace(each, machine=without_speed(row)) for each in make_remotes({"cloud": "rpi5"}, {})]
    found = predictions(load_device("mi8pro"), load_network("resnet-50"), far)
    assert [str(each.target) for each in found if each.target.place != "device"] == ["cloud:cpu/fp32"]
