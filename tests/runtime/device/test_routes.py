"""What routes expect of their processor: the CPU by its own clock and contention, accelerators by the wall's."""

from collections.abc import Sequence

import numpy as np
import pytest

from autoscale.carbon import Electricity
from autoscale.profiles import load_device
from autoscale.query.observation import Observation
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Runner
from autoscale_runtime.backends.tensors import Feeds, TensorSpec
from autoscale_runtime.device.contention import Contention
from autoscale_runtime.device.first_guess import DEFAULT_MACS_PER_S
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.routes.accelerator import AcceleratorRoute
from autoscale_runtime.device.routes.base import Moment
from autoscale_runtime.device.routes.cpu import CpuRoute
from autoscale_runtime.device.routes.local import LocalModel
from autoscale_runtime.device.running_mean import RunningMean
from autoscale_runtime.device.sized_mean import Size, Sizes
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.meters.modelled import ModelledMeter

MACS = 10_000_000
LOADS = (0.0, 0.1, 0.5, 1.0)


class Echo(Runner):
    """Answers with its input."""

    inputs = outputs = ()

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        return Answer([*feeds.values()])


@pytest.fixture
def account() -> DeviceAccount:
    table = ModelledMeter(load_device("mi8pro"))
    return DeviceAccount(table, table, GridWatch(Electricity()))


def cpu(account: DeviceAccount, contention: Contention, threads: int = 1, measured_s: float | None = None) -> CpuRoute:
    target = Target("device", "cpu", "fp32", threads=threads)
    return CpuRoute(LocalModel(target, Echo(), None, MACS, account, measured_s=measured_s), contention)


def gpu(account: DeviceAccount) -> AcceleratorRoute:
    return AcceleratorRoute(LocalModel(Target("device", "gpu", "fp32", engine="mygpu"), Echo(), None, MACS, account))


def test_before_the_first_query_the_networks_size_tells(account: DeviceAccount) -> None:
    for route in (cpu(account, Contention()), gpu(account)):
        assert route.expected_times_s(None)[0] == pytest.approx(MACS / DEFAULT_MACS_PER_S)


def test_what_was_measured_is_believed_until_the_first_query(account: DeviceAccount) -> None:
    route = cpu(account, Contention(), threads=4, measured_s=0.03)
    assert route.expected_times_s(None) == pytest.approx((0.03, 0.12))
    route.learn(0.010, 0.040, None)
    assert route.expected_times_s(None) == pytest.approx((0.010, 0.040))


def test_a_cpu_route_expects_its_cpu_time_over_the_threads(account: DeviceAccount) -> None:
    route = cpu(account, Contention(), threads=4)
    for _ in range(3):
        route.learn(0.010, 0.040, None)
    assert route.expected_times_s(None)[0] == pytest.approx(0.010)
    assert route.expected_times_s(0.5)[0] == pytest.approx(
        0.015
    )  # shared with one other process, as long as nothing is known


@pytest.mark.parametrize("cpu_s", [0.0, 1e-6, 0.005])
def test_an_engine_that_waits_is_known_by_how_long_it_takes(account: DeviceAccount, cpu_s: float) -> None:
    """Work in another process, or a pool that does not divide it, shows in no clock of the CPU."""
    route = cpu(account, Contention(), threads=2)
    for _ in range(10):
        route.learn(0.020, cpu_s, 0.0)
    assert route.expected_times_s(0.0)[0] == pytest.approx(0.020, rel=0.01)


def test_of_the_first_two_runs_the_one_disturbed_less_counts(account: DeviceAccount) -> None:
    for ratios in ((9.0, 1.2), (1.2, 9.0)):
        route = cpu(account, Contention())
        for ratio in ratios:
            route.learn(ratio * 0.01, 0.01, None)
        assert route.expected_times_s(None)[0] == pytest.approx(0.012)


def test_what_load_costs_one_thread_count_is_known_of_the_others(account: DeviceAccount) -> None:
    shared = Contention()
    one, four = cpu(account, shared), cpu(account, shared, threads=4)
    for route in (one, four):
        for _ in range(2):
            route.learn(0.010, 0.010 * route.target.threads, 0.0)
    for _ in range(40):
        one.learn(0.030, 0.010, 0.9)
    assert four.expected_times_s(0.9)[0] == pytest.approx(0.030, rel=0.01)
    assert four.expected_times_s(0.0)[0] == pytest.approx(0.010)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_what_a_route_learns_moves_what_it_expects_and_not_what_it_first_did(account: DeviceAccount, kind: str) -> None:
    route = cpu(account, Contention()) if kind == "cpu" else gpu(account)
    now = Moment(Observation(cpu_load=0.0), account.grid.read())
    small, large = Size((1,), 100), Size((9,), 1000)
    for _ in range(3):
        route.learn(0.010, 0.010, 0.0, small)
    assert route.first_expected(small, now) == route.expected_of(small, now)
    route.calibrated()
    before = route.first_expected(small, now)
    for _ in range(60):
        route.learn(0.030, 0.030, 0.0, small)
    assert route.first_expected(small, now) == before
    assert route.expected_of(small, now).latency_s == pytest.approx(0.030, rel=0.01)
    assert route.first_expected(large, now).latency_s == pytest.approx(0.100, rel=0.01)
    for each in (small, large):
        query = Query(None, {"x": np.zeros(3, np.float32)}, size=each)
        for _ in range(5):
            route.run(query, now, 1.0)
    assert route.first_expected(small, now) == before
    assert route.first_expected(large, now).latency_s < 0.001  # a size met since is known by its first two queries


def test_nothing_an_accelerator_does_touches_the_cpu_and_the_reverse(account: DeviceAccount) -> None:
    shared = Contention()
    routes = cpu(account, shared), cpu(account, shared, threads=2), gpu(account)
    before = [[route.expected_times_s(load)[0] for load in LOADS] for route in routes]
    for load in LOADS:
        for _ in range(50):
            routes[2].learn(0.020, 0.0, load)
    assert [[route.expected_times_s(load)[0] for load in LOADS] for route in routes[:2]] == before[:2]
    known = [routes[2].expected_times_s(load)[0] for load in LOADS]
    assert known == pytest.approx([0.020] * 4)
    for load in LOADS:
        for _ in range(50):
            routes[0].learn(0.5, 0.01, load)
    assert [routes[2].expected_times_s(load)[0] for load in LOADS] == known


def test_two_accelerators_have_a_history_each(account: DeviceAccount) -> None:
    one, other = gpu(account), gpu(account)
    one.learn(0.020, 0.0, None)
    assert other.expected_times_s(None)[0] == pytest.approx(MACS / DEFAULT_MACS_PER_S)


def test_an_accelerator_under_a_load_not_met_yet_is_taken_to_be_as_under_the_nearest(account: DeviceAccount) -> None:
    route = gpu(account)
    for latency_s, load in ((0.010, 0.0), (0.050, 1.0)):
        for _ in range(2):
            route.learn(latency_s, 0.0, load)
    assert [route.expected_times_s(load)[0] for load in (None, *LOADS)] == pytest.approx(
        [0.010, 0.010, 0.010, 0.050, 0.050]
    )


def test_a_run_is_accounted_for_at_its_own_moment(account: DeviceAccount) -> None:
    """The grids may change while a query runs; its grams are of those by which it was decided."""
    dirty = GridWatch(Electricity("AU", 1000.0)).now
    clean = GridWatch(Electricity("NO", 10.0)).now
    for route in (cpu(account, Contention()), gpu(account)):
        grams = []
        for grids in (dirty, clean):
            query, moment = Query(None, {"x": np.zeros(3, np.float32)}), Moment(Observation(), grids)
            _, outcome = route.run(query, moment, 1.0)
            grams.append(outcome.carbon_operational_g.device / outcome.energy_j.device)
            assert route.expected(query, moment).carbon_g > 0.0
        assert grams[0] == pytest.approx(100.0 * grams[1])


def test_a_mean_forgets_a_cold_start_at_once_and_an_outlier_slowly() -> None:
    mean = RunningMean(5.0, 0.1)
    assert mean.value == 5.0
    for figure, then in ((100.0, 100.0), (1.0, 1.0), (2.0, 1.1)):
        mean.add(figure)
        assert mean.value == pytest.approx(then)


def test_long_queries_do_not_make_short_ones_dear(account: DeviceAccount) -> None:
    """In latency and in joules, and so for whoever chooses, hedges or rescues by them."""
    sizes = Sizes((TensorSpec("x", np.dtype("float32"), (None, 4)),))
    short, long = (Query(None, feeds, sizes.of(feeds)) for feeds in ({"x": np.zeros((n, 4))} for n in (2, 4000)))
    moment = Moment(Observation(), account.grid.read())
    for route in (cpu(account, Contention()), cpu(account, Contention(), threads=2), gpu(account)):
        for _ in range(10):
            route.learn(0.001, 0.001, None, short.size)
            route.learn(1.0, 1.0, None, long.size)
        expected = [route.expected(query, moment) for query in (short, long)]
        assert [each.latency_s for each in expected] == pytest.approx([0.001, 1.0])
        assert expected[1].energy_j == pytest.approx(1000 * expected[0].energy_j)
        assert expected[1].carbon_g == pytest.approx(1000 * expected[0].carbon_g)
