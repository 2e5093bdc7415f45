"""A forecast and the simulator say the same of a query that nothing disturbs: there is one physics."""

import numpy as np
import pytest

from autoscale.physics.contention import cpu_strain, memory_strain
from autoscale.prediction import Conditions, predictions
from autoscale.profiles.link import USUAL_DBM
from autoscale_envs.variance import network
from autoscale_envs.worlds.dynamics import Costs, expected, initial
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.query import SimulatedQuery


def simulated(parameters: WorldParameters, cpu_load: float = 0.0, memory_load: float = 0.0) -> Costs:
    """What a first query costs on every target where no factor is hidden and no signal strays."""
    asks = np.zeros((1, 1), dtype=np.intp)
    ways = [
        network.passage(
            path, network.Conditions(np.full((1, 1), USUAL_DBM[path.link.signal]), one, one, one), asks, parts=True
        )
        for path, one in ((path, np.ones((1, 1))) for path in parameters.paths)
    ]
    per_link = [[each.move_s[0] for each in ways], [each.move_j[0] for each in ways]]
    per_link.append([each.round_trip_s[0] for each in ways])
    per_link += [[parameters.usual_queue_s * each for each in parameters.in_cloud], [0.0 for _ in ways]]
    if parameters.parts is not None:
        per_link += [[np.ravel(each.send_s) for each in ways], [np.ravel(each.send_j) for each in ways]]
    strains = float(cpu_strain(cpu_load)), float(memory_strain(memory_load))
    query = SimulatedQuery(0, 0.0, 0.5, *strains, 1.0, 1.0, 0.0, 1e-4, 1e-4, *per_link)
    state, targets = initial(parameters, np.ones(1)), np.arange(len(parameters.targets))
    return expected(parameters, parameters.nominal_factors, 0, query, state, targets)


@pytest.mark.parametrize(("cpu_load", "memory_load"), [(0.0, 0.0), (0.8, 0.3)])
@pytest.mark.parametrize("device", ["mi8pro", "pixel9", "rpi5", "rk3588s"])
@pytest.mark.parametrize("name", ["mobilenet-v3", "mobilebert"])
def test_the_middle_of_a_forecast_is_what_the_simulator_expects(
    device: str, name: str, cpu_load: float, memory_load: float
) -> None:
    parameters = make_parameters(WorldOptions(device=device, networks=(name,), hidden_sigma=0.0))
    met = Conditions(cpu_load, memory_load)
    found = predictions(parameters.device, parameters.networks[0], parameters.remotes, conditions=met)
    found = [each for each in found if not each.target.engine]  # the simulator has no engines
    truth = simulated(parameters, cpu_load, memory_load)
    assert [each.target for each in found] == list(parameters.targets)
    for figure, wanted in (("latency_s", truth.latency_s), ("energy_j", truth.device_j), ("remote_j", truth.remote_j)):
        assert [getattr(each, figure).mid for each in found] == pytest.approx(np.ravel(wanted), rel=1e-9), figure
