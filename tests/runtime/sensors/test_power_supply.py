"""Batteries as people have them: several, none in the bay, gauges that leave out or misstate; on fake trees."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale_runtime.sensors.battery import BatterySensor
from autoscale_runtime.sensors.power_supply import Battery, charge_of, read_batteries


def supply(root: Path, name: str, **files: object) -> Path:
    folder = root / "sys/class/power_supply" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, value in ({"type": "Battery"} | files).items():
        (folder / file).write_text(f"{value}\n")
    return folder


def sensed(root: Path) -> tuple[float | None, bool | None]:
    observation = BatterySensor(root).read()
    return observation.battery, observation.is_charging


def test_the_charge_of_two_is_weighted_by_what_they_hold(tmp_path):
    supply(tmp_path, "BAT0", capacity=80, status="Not charging", energy_full=24_000_000)
    supply(tmp_path, "BAT1", capacity=40, status="Discharging", energy_full=72_000_000)
    charge, is_charging = sensed(tmp_path)
    assert charge == pytest.approx((0.8 * 24 + 0.4 * 72) / (24 + 72))
    assert is_charging is False


def test_by_charge_in_coulombs_at_each_ones_design_voltage(tmp_path):
    supply(tmp_path, "BAT0", charge_now=1_000_000, charge_full=2_000_000, voltage_min_design=10_000_000)
    supply(tmp_path, "BAT1", charge_now=1_000_000, charge_full=1_000_000, voltage_min_design=20_000_000)
    assert sensed(tmp_path)[0] == pytest.approx((0.5 * 20 + 1.0 * 20) / 40)


def test_without_what_they_hold_each_counts_the_same(tmp_path):
    supply(tmp_path, "BAT0", capacity=80)
    supply(tmp_path, "BAT1", capacity=40, energy_full=72_000_000)
    assert sensed(tmp_path)[0] == pytest.approx(0.6)


def test_an_empty_bay_and_a_peripheral_are_no_battery(tmp_path):
    supply(tmp_path, "BAT0", present=0, capacity=0, status="Unknown")
    supply(tmp_path, "BAT2", scope="Device", capacity=5, status="Discharging")
    assert not BatterySensor(tmp_path).is_available()
    supply(tmp_path, "BAT1", present=1, capacity=70, status="Discharging")
    assert sensed(tmp_path) == (0.7, False)


@pytest.mark.parametrize("capacity", ["101", "255", "-1", "", "full", "65535"])
def test_an_impossible_capacity_is_replaced_by_the_energy_or_not_at_all(tmp_path, capacity):
    supply(tmp_path, "BAT0", capacity=capacity, status="Discharging")
    assert sensed(tmp_path) == (None, False)
    supply(tmp_path, "BAT0", energy_now=18_000_000, energy_full=24_000_000)
    assert sensed(tmp_path) == (0.75, False)
    supply(tmp_path, "BAT0", energy_now=25_000_000)
    assert sensed(tmp_path) == (None, False)


def test_an_empty_battery_is_zero_and_not_absent(tmp_path):
    supply(tmp_path, "BAT0", capacity=0, status="Charging", energy_now=9_000_000, energy_full=18_000_000)
    assert sensed(tmp_path) == (0.0, True)


def test_a_bad_battery_leaves_the_other(tmp_path, caplog):
    bad = supply(tmp_path, "BAT0", capacity=90, status="Discharging")
    supply(tmp_path, "BAT1", capacity=70, status="Discharging")
    (bad / "capacity").unlink()
    (bad / "capacity").mkdir()
    (bad / "status").write_bytes(b"\xff\xfe")
    assert sensed(tmp_path) == (0.7, False)
    assert "BAT0/capacity" in caplog.text


@pytest.mark.parametrize(
    ("plug", "status", "is_charging"),
    [
        (None, "Unknown", None),
        (None, "Not charging", True),
        (0, "Not charging", False),
        (0, "Full", False),
        (0, "Unknown", False),
        (1, "Unknown", True),
        (0, "Charging", True),  # by a socket that has no file
        (1, "Discharging", True),  # a weak charger: mains power is connected
    ],
)
def test_whether_mains_power_is_connected(tmp_path, plug, status, is_charging):
    supply(tmp_path, "BAT0", capacity=50, status=status)
    if plug is not None:
        supply(tmp_path, "AC", type="Mains", online=plug)
    assert sensed(tmp_path) == (0.5, is_charging)


@pytest.mark.parametrize(
    ("files", "power_w"),
    [
        ({"power_now": 9_000_000}, 9.0),
        ({"power_now": -9_000_000}, 9.0),
        ({"power_now": 0}, None),
        ({"power_now": 0, "current_now": -700_000, "voltage_now": 12_000_000}, 8.4),
        ({"power_now": 4_294_967_295_000, "current_now": 700_000, "voltage_now": 12_000_000}, 8.4),
        ({"power_now": "busy", "current_now": 700_000, "voltage_now": 12_000_000}, 8.4),
        ({"current_now": 700_000}, None),
        ({"current_now": 700_000, "voltage_now": 0}, None),
        ({"current_now": 0, "voltage_now": 12_000_000}, None),
        ({}, None),
    ],
)
def test_power_is_above_zero_or_not_known(tmp_path, files, power_w):
    supply(tmp_path, "BAT0", status="Discharging", **files)
    [battery] = read_batteries(tmp_path)
    assert battery.power_w == (None if power_w is None else pytest.approx(power_w))


@given(st.lists(st.tuples(st.none() | st.floats(0.0, 1.0), st.none() | st.floats(1.0, 1e6)), max_size=4))
def test_the_charge_of_all_is_within_those_of_each(reported):
    charge = charge_of(
        [Battery(f"BAT{k}", charge=charge, full_j=full_j) for k, (charge, full_j) in enumerate(reported)]
    )
    known = [charge for charge, _ in reported if charge is not None]
    assert (charge is None) == (not known)
    assert charge is None or min(known) - 1e-9 <= charge <= max(known) + 1e-9
