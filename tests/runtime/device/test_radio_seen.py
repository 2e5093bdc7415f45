"""Joules of the radio are counted once: by the meter where that sees them, by the power table where it does not."""

from pathlib import Path

import pytest

from autoscale.carbon import Electricity
from autoscale.profiles import load_device
from autoscale.query.outcome import Method, Outcome
from autoscale.query.target import Target
from autoscale_runtime.device.query_cost import DeviceAccount, Transfer
from autoscale_runtime.device.radio_rest import RadioRest
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.meters import AttributedMeter, Meter, ModelledMeter
from autoscale_runtime.meters.guarded import GuardedMeter
from tests.runtime.meters.meters_parts import Battery, Clock, Rapl

CLOUD, HERE = Target.parse("cloud:cpu/fp32"), Target.parse("device:cpu/fp32@1t")
SENT = Transfer(150_000, 4_000, 10e6, 20e6, -85.0)
LATENCY_S = 4.0
REST_S = 60.0
TRUE_TO_TABLE = 1.5
"""The device draws so many times what its power table says, its radio's part too."""


def table_on(clock: Clock) -> ModelledMeter:
    return ModelledMeter(load_device("mi8pro"), "lte", clock, lambda: 0.0)


def account_of(meter: Meter, table: ModelledMeter, clock: Clock) -> DeviceAccount:
    return DeviceAccount(meter, table, GridWatch(Electricity(source=100.0)), RadioRest(clock))


def queried(account: DeviceAccount, clock: Clock, target: Target = CLOUD) -> Outcome:
    mark = account.begin()
    clock.now_s += LATENCY_S
    return account.end(mark, target, LATENCY_S, transfer=SENT if target.is_remote else None)


def modelled_j(table: ModelledMeter, target: Target = CLOUD) -> float:
    idle_j = table.energy_j(LATENCY_S, 0.0, target)
    if not target.is_remote:
        return idle_j
    return idle_j + table.radio_j(150_000, 4_000, 10e6, 20e6, -85.0, LATENCY_S, REST_S)


def test_what_a_battery_gave_is_all_that_a_query_took(tmp_path: Path) -> None:
    battery = Battery(tmp_path, power_now=3_000_000)
    table = table_on(battery.clock)
    outcome = queried(account_of(battery.meter(), table, battery.clock), battery.clock)
    assert outcome.energy_j.device == pytest.approx(3.0 * LATENCY_S)
    assert outcome.methods["energy_j.device"] is Method.MEASURED


def test_a_guard_sees_what_its_meter_does(tmp_path: Path) -> None:
    battery = Battery(tmp_path, power_now=3_000_000)
    meter = GuardedMeter(battery.meter())
    outcome = queried(account_of(meter, table_on(battery.clock), battery.clock), battery.clock)
    assert outcome.energy_j.device == pytest.approx(3.0 * LATENCY_S)


def test_where_the_battery_tells_nothing_the_table_tells_the_radio_too(tmp_path: Path) -> None:
    battery = Battery(tmp_path, power_now=3_000_000)
    table = table_on(battery.clock)
    account = account_of(battery.meter(), table, battery.clock)
    battery.clock.now_s += 100.0
    battery.set(status="Charging")
    outcome = queried(account, battery.clock)
    assert outcome.energy_j.device == pytest.approx(modelled_j(table))
    assert outcome.methods["energy_j.device"] is Method.MODELLED


def test_to_a_processors_counter_the_radio_is_added(tmp_path: Path) -> None:
    rapl = Rapl(tmp_path)
    table = table_on(rapl.clock)
    account = account_of(rapl.meter(), table, rapl.clock)
    mark = account.begin()
    rapl.clock.now_s += LATENCY_S
    rapl.spend("package-0", 5_000_000)
    outcome = account.end(mark, CLOUD, LATENCY_S, transfer=SENT)
    radio_j = modelled_j(table) - table.energy_j(LATENCY_S, 0.0)
    assert outcome.energy_j.device == pytest.approx(5.0 + radio_j)
    assert outcome.methods["energy_j.device"] is Method.MODELLED, "the greater part may be the model's"


def test_a_batterys_joules_are_spread_over_the_radio_as_over_all_else(tmp_path: Path) -> None:
    """Queries here and away, on a device that draws half as much again as its table says, throughout: so does each."""
    battery = Battery(tmp_path, energy_now=400_000_000_000)
    clock, table = battery.clock, table_on(battery.clock)
    account = account_of(AttributedMeter(battery.meter(), table, lambda: 0.0), table, clock)
    left_j = 3.6 * 400e6

    def ask(target: Target) -> float:
        nonlocal left_j
        left_j -= TRUE_TO_TABLE * (modelled_j(table, target) + table.energy_j(REST_S, 0.0))
        battery.set(energy_now=round(left_j / 3.6e-3))
        clock.now_s += REST_S
        return queried(account, clock, target).energy_j.device

    for target in (CLOUD, HERE) * 6:
        ask(target)
    for target in (CLOUD, HERE):
        assert ask(target) == pytest.approx(TRUE_TO_TABLE * modelled_j(table, target), rel=1e-3)
