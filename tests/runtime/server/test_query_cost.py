import math
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from autoscale.carbon import Electricity, YearlyAverages, device_footprint
from autoscale.errors import InvalidInput, ProfileError, UnknownName
from autoscale.profiles import load_device
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale.units import J_PER_KWH
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.meters import ModelledMeter, ReplayMeter
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.wire.cost import ServerCost

LAPTOP = load_device("laptop")
CPU = LAPTOP.processors["cpu"]


def cost_on(account: ServerAccount, compute_s: float, threads: int) -> ServerCost:
    target = Target("device", "cpu", "fp32", threads=threads)
    return account.cost(account.begin(), compute_s, target)


BARE = cost_on(ServerAccount(LAPTOP), 1.0, 1)


def test_energy_is_busy_power_and_a_share_of_idle_power() -> None:
    cost = cost_on(ServerAccount(LAPTOP), compute_s=2.0, threads=4)
    watts = CPU.busy_w(4) + LAPTOP.idle_w * 4 / CPU.cores
    assert cost.energy_j == pytest.approx(2.0 * watts)
    assert cost.method is Method.MODELLED


def test_carbon_follows_the_grid_and_the_building() -> None:
    cost = cost_on(ServerAccount(LAPTOP, Electricity(source=360.0), pue=1.25), 1.0, 1)
    assert cost.carbon_operational_g == pytest.approx(cost.energy_j / J_PER_KWH * 450.0)


def test_the_ends_are_those_of_the_grid_and_of_the_making() -> None:
    cost = cost_on(ServerAccount(LAPTOP, Electricity("FR")), 1.0, 1)
    france, made = YearlyAverages().at("FR", 0.0), device_footprint(LAPTOP).g_per_s(share=1 / CPU.cores)
    assert (cost.region, cost.intensity) == ("FRA", replace(france, time_s=cost.intensity.time_s))
    assert cost.ends.operational_low_g / cost.carbon_operational_g == pytest.approx(
        france.low_g_per_kwh / france.g_per_kwh
    )
    assert (cost.ends.embodied_low_g, cost.ends.embodied_high_g) == pytest.approx((made.low, made.high))


def test_a_bill_is_of_one_grid_however_often_that_changes_meanwhile() -> None:
    account = ServerAccount(LAPTOP, Electricity(source=1.0))
    grids = account.grid.now, GridWatch(Electricity(source=1000.0)).now
    wrong: list[ServerCost] = []

    def ask() -> None:
        for number in range(3000):
            account.grid.now = grids[number % 2]
            cost = cost_on(account, 1.0, 1)
            grams = cost.energy_j / J_PER_KWH * cost.intensity.g_per_kwh * account.pue
            reported = cost.carbon_operational_g, cost.ends.operational_low_g, cost.ends.operational_high_g
            wrong.extend([] if all(math.isclose(each, grams) for each in reported) else [cost])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    try:
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(usual_s)
    assert wrong == []


def test_a_place_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"unknown place 'Frence' \(did you mean 'france'"):
        ServerAccount(LAPTOP, Electricity("Frence"))


def test_embodied_carbon_is_the_share_of_cores_for_the_time() -> None:
    made = LAPTOP.embodied
    cost = cost_on(ServerAccount(LAPTOP), 3600.0, CPU.cores // 2)
    assert cost.carbon_embodied_g == pytest.approx(made.total_kg * 1000 * 3600 / made.lifetime_s / 2)


def test_more_threads_than_cores_hold_the_whole_machine() -> None:
    account = ServerAccount(LAPTOP)
    assert cost_on(account, 1.0, 64) == cost_on(account, 1.0, CPU.cores)


def test_what_a_meter_measures_takes_the_place_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "rapl.csv").write_text("time_s,energy_j\n0,0\n10,70\n")
    now_s = [0.0]
    account = ServerAccount(LAPTOP, meter=ReplayMeter(tmp_path / "rapl.csv", lambda: now_s[0]))
    mark = account.begin()
    now_s[0] = 2.0
    cost = account.cost(mark, 2.0, Target.parse("device:cpu/fp32@1t"))
    assert (cost.energy_j, cost.method) == (14.0, Method.MEASURED)


def test_what_a_meter_only_models_does_not() -> None:
    metered = cost_on(ServerAccount(LAPTOP, meter=ModelledMeter(load_device("xeon-p100"))), 1.0, 1)
    assert replace(metered, intensity=BARE.intensity) == BARE


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_a_grid_or_building_that_cannot_be_is_refused(wrong: float) -> None:
    with pytest.raises(InvalidInput, match="carbon intensity is"):
        ServerAccount(LAPTOP, Electricity(source=wrong))
    with pytest.raises(InvalidInput, match="pue is"):
        ServerAccount(LAPTOP, pue=wrong)


def test_a_machine_without_a_cpu_cannot_serve() -> None:
    with pytest.raises(ProfileError, match="'laptop' has no CPU"):
        ServerAccount(replace(LAPTOP, processors={}))
