"""What the design's section 5 asks of a good simulator, where the simulator alone decides (no hidden factors)."""

from collections import Counter

import numpy as np
import pytest

from autoscale.agents.base import Choice
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

PHONES = ("mi8pro", "s10e", "moto-x-force")
NETWORKS = (
    *("inception-v1", "inception-v3", "mobilebert", "mobilenet-v1", "mobilenet-v2"),
    *("mobilenet-v3", "resnet-50", "ssd-mobilenet-v1", "ssd-mobilenet-v2", "ssd-mobilenet-v3"),
)


def choices(device: str, network: str, scenario: str = "S1", without: str = "", **options) -> Counter[str]:
    """Where the oracle runs some queries, by place and processor; never at the place ``without``."""
    parameters = make_parameters(
        WorldOptions(device=device, networks=(network,), scenario=scenario, hidden_sigma=0.0, **options)
    )
    world, seen = SimWorld(parameters, seed=0), Counter()
    allowed = np.array([i for i, target in enumerate(parameters.targets) if target.place != without])
    for _ in range(20):
        context = world.observe()
        best = world.truth().best(context.goal, allowed)
        target = parameters.targets[best]
        seen[f"{target.place} {target.processor}/{target.precision}"] += 1
        world.perform(None, context, Choice(best, 1.0))
    return seen


def everywhere(scenario: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for phone in PHONES:
        for network in NETWORKS:
            total += choices(phone, network, scenario)
    return total


def share(seen: Counter[str], start: str) -> float:
    return sum(count for where, count in seen.items() if where.startswith(start)) / sum(seen.values())


@pytest.fixture(scope="module")
def calm() -> Counter[str]:
    return everywhere("S1")


def test_no_place_wins_everywhere(calm: Counter[str]) -> None:
    co_processors = share(calm, "device gpu") + share(calm, "device npu")
    assert all(0.02 < each < 0.9 for each in (share(calm, "device cpu"), co_processors, share(calm, "cloud")))


@pytest.mark.parametrize("network", ["mobilenet-v1", "mobilenet-v2", "inception-v1"])
def test_light_convolutions_prefer_the_co_processors(network: str) -> None:
    seen = choices("mi8pro", network)
    assert share(seen, "device gpu") + share(seen, "device npu") > 0.9


@pytest.mark.parametrize("device", PHONES)
def test_mobilebert_prefers_the_cloud(device: str) -> None:
    """On the S10e by the margin of a draw: its radio's tail costs what slow int8 on its CPU does."""
    parameters = make_parameters(WorldOptions(device=device, networks=("mobilebert",), hidden_sigma=0.0))
    cloud, spent_j, least_j = len(parameters.targets) - 1, 0.0, 0.0
    for seed in range(12):
        world = SimWorld(parameters, seed)
        for _ in range(5):
            context, truth = world.observe(), world.truth()
            assert truth.latency_s[cloud] < context.goal.latency_s
            spent_j, least_j = spent_j + truth.energy_j[cloud], least_j + truth.energy_j[world.oracle()]
            world.perform(None, context, Choice(cloud, 1.0))
    assert spent_j < 1.05 * least_j


def test_of_the_processors_fully_connected_layers_favour_the_cpu() -> None:
    """Beside the GPU, the CPU does better on MobileNet v3 (20 fully connected layers) than on v1 (one)."""
    parameters = make_parameters(WorldOptions(device="s10e", networks=("mobilenet-v1", "mobilenet-v3")))
    gpu = [i for i, each in enumerate(parameters.targets) if (each.place, each.processor) == ("device", "gpu")]
    cpu = [i for i, each in enumerate(parameters.targets) if (each.place, each.processor) == ("device", "cpu")]
    v1, v3 = parameters.costs.energy_j[:, cpu].min(axis=1) / parameters.costs.energy_j[:, gpu].min(axis=1)
    assert v3 < v1


def test_a_cpu_heavy_co_runner_moves_work_off_the_cpu(calm: Counter[str]) -> None:
    assert share(everywhere("S2"), "device cpu") < share(calm, "device cpu")


def test_a_memory_heavy_co_runner_moves_work_off_the_device(calm: Counter[str]) -> None:
    assert share(everywhere("S3"), "device") < share(calm, "device") - 0.02


def test_a_weak_signal_brings_it_back_on_the_device() -> None:
    regular = choices("mi8pro", "resnet-50", "S1", without="edge")
    weak = choices("mi8pro", "resnet-50", "S4", without="edge")
    assert share(regular, "cloud") > 0.9
    assert share(weak, "device") > 0.9


def test_a_weak_signal_to_the_edge_moves_work_off_the_edge(calm: Counter[str]) -> None:
    weak = everywhere("S5")
    assert share(weak, "edge") < share(calm, "edge")


def test_a_strict_accuracy_goal_rules_out_int8() -> None:
    loose, strict = (choices("mi8pro", "inception-v3", without="cloud", min_accuracy=floor) for floor in (None, 0.778))
    assert any("int8" in where for where in loose)
    assert not any("int8" in where for where in strict)


def test_minute_thirty_differs_from_minute_one() -> None:
    """Ten queries a second on the CPU heat a phone until the governor caps its clock."""
    parameters = make_parameters(WorldOptions(networks=("inception-v1",), hidden_sigma=0.0, gap_s=0.1))
    world, latencies_s, temperatures_c = SimWorld(parameters, seed=0), [], []
    for _ in range(30 * 60 * 10):
        context = world.observe()
        temperatures_c.append(context.observation.temperature_c)
        latencies_s.append(world.perform(None, context, Choice(parameters.reference_target, 1.0)).outcome.latency_s)
    early, late = np.mean(latencies_s[:600]), np.mean(latencies_s[-600:])
    assert late > 1.05 * early
    assert temperatures_c[0] < 26.0 < parameters.thermal.throttle_c < max(temperatures_c) < 60.0


def test_a_used_radio_need_not_be_woken() -> None:
    """LTE: the first query pays the promotion and a whole tail; one half a second later neither."""
    parameters = make_parameters(
        WorldOptions(networks=("mobilebert",), hidden_sigma=0.0, links={"cloud": "lte"}, gap_s=0.2)
    )
    world = SimWorld(parameters, seed=0)
    outcomes = [world.perform(None, world.observe(), Choice(65, 1.0)).outcome for _ in range(5)]
    link = parameters.links[1]
    later = np.mean([outcome.latency_s for outcome in outcomes[1:]])
    assert outcomes[0].latency_s == pytest.approx(later + link.promotion_s, abs=0.1)
    assert outcomes[0].energy_j.device > max(outcome.energy_j.device for outcome in outcomes[1:]) + 1.0
