"""What a query emitted, and what the world's goals minimise."""

from autoscale.arrays import Numbers
from autoscale.carbon.intensity.base import Kind
from autoscale.physics.carbon import CarbonRates, QueryCarbon
from autoscale_envs.worlds.coefficients import CostCoefficients
from autoscale_envs.worlds.dynamics import Costs
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import SimulatedQuery


def carbon(parameters: WorldParameters, query: SimulatedQuery, cost: Costs) -> QueryCarbon:
    """What an account says it emitted: energy at its place and hour, embodied shares for the time in use.

    Of the network it has the average share of its bytes.
    """
    rates = _rates(parameters, query, cost.coefficients, "average")
    return rates.grams(cost.device_j, cost.latency_s, cost.coefficients.moved_bytes, cost.remote_j, cost.remote_s)


def added_g(parameters: WorldParameters, query: SimulatedQuery, cost: Costs) -> Numbers:
    """Grams that it added, of all machines: what a decision for the least carbon goes by."""
    rates = _rates(parameters, query, cost.coefficients, "marginal")
    operational_g, embodied_g = rates.totals_g(
        cost.device_j, cost.latency_s, cost.coefficients.moved_bytes, cost.remote_j, cost.remote_s
    )
    return operational_g + embodied_g


def _rates(
    parameters: WorldParameters, query: SimulatedQuery, coefficients: CostCoefficients, kind: Kind
) -> CarbonRates:
    j_per_byte, embodied_g_per_byte = parameters.network_rates[kind]
    return CarbonRates(
        query.device_g_per_j,
        parameters.embodied_g_per_s,
        j_per_byte[0] if len(j_per_byte) == 1 else coefficients.of_link(j_per_byte),
        query.device_g_per_j,
        embodied_g_per_byte[0] if len(embodied_g_per_byte) == 1 else coefficients.of_link(embodied_g_per_byte),
        coefficients.of_link(
            [query.cloud_g_per_j if is_cloud else query.device_g_per_j for is_cloud in parameters.in_cloud]
        ),
        coefficients.remote_embodied_g_per_s,
    )


def objective(parameters: WorldParameters, query: SimulatedQuery, cost: Costs) -> Numbers:
    """The quantity the world's goals minimise: joules of the device, grams added in all, or seconds."""
    if parameters.options.objective == "energy":
        return cost.device_j
    return added_g(parameters, query, cost) if parameters.options.objective == "carbon" else cost.latency_s
