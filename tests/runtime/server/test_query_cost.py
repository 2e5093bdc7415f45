import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from autoscale.carbon import Electricity, YearlyAverages, device_footprint
from autoscale.errors import InvalidInput, ProfileError, UnknownName
from autoscale.profiles import load_device
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale.units import J_PER_KWH
from autoscale_runtime.meters import AttributedMeter, Meter, ModelledMeter, ReplayMeter
from autoscale_runtime.server.query_cost import ServerAccount, Share
from autoscale_runtime.wire.cost import ServerCost

LAPTOP = load_device("laptop")
CPU = LAPTOP.processors["cpu"]


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def cost_on(
    compute_s: float,
    threads: int,
    electricity: Electricity | None = None,
    pue: float | None = None,
    meter: Meter | None = None,
) -> ServerCost:
    """Of one query that keeps its cores busy, on a machine that has as many as the laptop."""
    clock = Clock()
    account = ServerAccount(LAPTOP, electricity, pue, meter, clock, cores=CPU.cores)
    share = account.begin(Target("device", "cpu", "fp32", threads=threads))
    clock.now_s = compute_s
    return account.end(share, min(threads, CPU.cores) * compute_s)


BARE = cost_on(1.0, 1)


def test_energy_is_busy_power_and_a_share_of_idle_power() -> None:
    cost = cost_on(compute_s=2.0, threads=4)
    watts = CPU.busy_w(4) + LAPTOP.idle_w * 4 / CPU.cores
    assert cost.energy_j == pytest.approx(2.0 * watts)
    assert cost.method is Method.MODELLED
    alone = ServerAccount(LAPTOP).alone(Target("device", "cpu", "fp32", threads=4), 2.0)
    assert alone.energy_j == pytest.approx(cost.energy_j)
    assert alone.carbon_embodied_g == pytest.approx(cost.carbon_embodied_g)


def test_carbon_follows_the_grid_and_the_building() -> None:
    cost = cost_on(1.0, 1, Electricity(source=360.0), 1.25)
    assert cost.carbon_operational_g == pytest.approx(cost.energy_j / J_PER_KWH * 450.0)


def test_the_ends_are_those_of_the_grid_and_of_the_making() -> None:
    cost = cost_on(1.0, 1, Electricity("FR"))
    france, made = YearlyAverages().at("FR", 0.0), device_footprint(LAPTOP).g_per_s(share=1 / CPU.cores)
    assert (cost.region, cost.intensity) == ("FRA", replace(france, time_s=cost.intensity.time_s))
    assert cost.ends.operational_low_g / cost.carbon_operational_g == pytest.approx(
        france.low_g_per_kwh / france.g_per_kwh
    )
    assert (cost.ends.embodied_low_g, cost.ends.embodied_high_g) == pytest.approx((made.low, made.high))


def test_a_place_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"unknown place 'Frence' \(did you mean 'france'"):
        ServerAccount(LAPTOP, Electricity("Frence"))


def test_embodied_carbon_is_the_share_of_cores_for_the_time() -> None:
    made = LAPTOP.embodied
    cost = cost_on(3600.0, CPU.cores // 2)
    assert cost.carbon_embodied_g == pytest.approx(made.total_kg * 1000 * 3600 / made.lifetime_s / 2)


def test_more_threads_than_cores_hold_the_whole_machine() -> None:
    more, all_of_them = cost_on(1.0, 64), cost_on(1.0, CPU.cores)
    assert more._replace(intensity=all_of_them.intensity) == all_of_them


def test_what_a_meter_only_models_does_not_count() -> None:
    metered = cost_on(1.0, 1, meter=ModelledMeter(load_device("xeon-p100")))
    assert metered._replace(intensity=BARE.intensity) == BARE


@pytest.mark.parametrize("threads", [1, 3, 8])
@pytest.mark.parametrize("callers", [1, 2, 8, 64])
def test_what_is_told_and_what_is_nobodys_are_the_machines(callers: int, threads: int) -> None:
    """Whatever begins and ends when, fails or not: the sum is the table's, for the time and CPU time that passed."""
    rng, clock = random.Random(callers * threads), Clock()
    account = ServerAccount(LAPTOP, clock=clock, cores=CPU.cores)
    target = Target("device", "cpu", "fp32", threads=threads)
    running: list[Share] = []
    told_j = core_s = used_s = 0.0
    for _ in range(2000):
        passed_s = rng.expovariate(100.0)
        used_s += passed_s if running else 0.0
        clock.now_s += passed_s
        if len(running) < callers and rng.random() < 0.6:
            running.append(account.begin(target))
        elif running:
            took_s, answered = rng.expovariate(50.0), rng.random() < 0.8
            core_s += took_s
            cost = account.end(running.pop(rng.randrange(len(running))), took_s, answered)
            told_j += cost.energy_j if answered else 0.0
        else:
            account.overhead(0.001)
            core_s += 0.001
    for each in running:
        account.end(each, 0.0, is_told=False)
    totals = account.tick()
    shared_w, core_w = 2 * CPU.busy_w(1) - CPU.busy_w(2), CPU.busy_w(2) - CPU.busy_w(1)
    machine_j = LAPTOP.idle_w * clock.now_s + shared_w * used_s + core_w * core_s
    assert totals.told_j == pytest.approx(told_j)
    assert totals.machine_j == pytest.approx(machine_j, rel=1e-6)


def test_callers_side_by_side_are_not_told_more_than_one_after_the_other() -> None:
    """On two cores, eight at once take four times as long, and no more joules in all."""
    clock = Clock()
    account = ServerAccount(LAPTOP, clock=clock, cores=2)
    shares = [account.begin(Target.parse("device:cpu/fp32@1t")) for _ in range(8)]
    clock.now_s = 4.0
    together_j = sum(account.end(each, 1.0).energy_j for each in shares)
    assert together_j <= 8 * BARE.energy_j


def test_a_counter_sets_the_scale(tmp_path: Path) -> None:
    """A machine that draws 50 W: what is told of it in all is no more, and what is not told is kept beside."""
    (tmp_path / "rapl.csv").write_text("time_s,energy_j\n0,0\n1000,50000\n")
    clock = Clock()
    counter = ReplayMeter(tmp_path / "rapl.csv", clock)
    meter = AttributedMeter(counter, ModelledMeter(LAPTOP, wall_clock=clock), busy_s=lambda: 0.9 * clock.now_s)
    account = ServerAccount(LAPTOP, meter=meter, clock=clock, cores=1)
    told_j = 0.0
    for number in range(400):
        share = account.begin(Target.parse("device:cpu/fp32@1t"))
        clock.now_s += 0.225
        cost = account.end(share, 0.225)
        told_j += cost.energy_j if number >= 200 else 0.0
        clock.now_s += 0.025
        account.tick()
    assert cost.method is Method.MEASURED
    assert told_j <= 1.03 * 50.0 * 50.0
    assert account.totals.machine_j == pytest.approx(50.0 * 100.0, rel=0.03)


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_a_grid_or_building_that_cannot_be_is_refused(wrong: float) -> None:
    with pytest.raises(InvalidInput, match="carbon intensity is"):
        ServerAccount(LAPTOP, Electricity(source=wrong))
    with pytest.raises(InvalidInput, match="pue is"):
        ServerAccount(LAPTOP, pue=wrong)


def test_a_machine_without_a_cpu_cannot_serve() -> None:
    with pytest.raises(ProfileError, match="'laptop' has no CPU"):
        ServerAccount(replace(LAPTOP, processors={}))


BOARD = load_device("rk3588s")
METERED = {
    each.target.processor: each for each in BOARD.measured if each.mean_w is not None and not each.target.setting
}


@pytest.mark.parametrize("processor", METERED)
def test_what_was_metered_on_the_machine_comes_before_its_table(processor: str) -> None:
    """A query that has the board to itself is told as many joules as a session on it would tell."""
    row, clock = METERED[processor], Clock()
    cores = BOARD.processors["cpu"].cores
    core_s = 2.0 * cores if processor == "cpu" else 0.0
    account = ServerAccount(BOARD, clock=clock, cores=cores)
    for network in (row.network, "never measured"):
        share = account.begin(row.target, network)
        clock.now_s += 2.0
        told = account.end(share, core_s)
        session = ModelledMeter(BOARD, network=network).reading(2.0, core_s, row.target)
        assert told.energy_j == pytest.approx(session.energy_j)
        assert account.alone(row.target, 2.0, network).energy_j == pytest.approx(told.energy_j)
        assert told.energy_j == pytest.approx(2.0 * row.mean_w, rel=1e-6 if network == row.network else 0.5)
    assert told.energy_j != pytest.approx(ServerAccount(replace(BOARD, measured=())).alone(row.target, 2.0).energy_j)
