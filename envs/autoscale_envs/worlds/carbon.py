"""What a query emitted, and what the world's goals minimise."""

from autoscale.carbon.intensity.base import Kind
from autoscale.physics.carbon import CarbonRates, QueryCarbon
from autoscale_envs.variance.processes import Numbers
from autoscale_envs.worlds.dynamics import CostCoefficients, Costs
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import SimulatedQuery


def carbon(parameters: WorldParameters, query: SimulatedQuery, spent: Costs) -> QueryCarbon:
    """What an account says it emitted: energy at its place and hour, embodied shares for the time in use.

    Of the network it has the average share of its bytes.
    """
    rates = _rates(parameters, query, spent.pair, "average")
    return rates.grams(spent.device_j, spent.latency_s, spent.pair.moved_bytes, spent.remote_j, spent.remote_s)


def added_g(parameters: WorldParameters, query: SimulatedQuery, spent: Costs) -> Numbers:
    """Grams that it added, of all machines: what a decision for the least carbon goes by."""
    rates = _rates(parameters, query, spent.pair, "marginal")
    operational_g, embodied_g = rates.totals_g(
        spent.device_j, spent.latency_s, spent.pair.moved_bytes, spent.remote_j, spent.remote_s
    )
    return operational_g + embodied_g


def _rates(parameters: WorldParameters, query: SimulatedQuery, pair: CostCoefficients, kind: Kind) -> CarbonRates:
    j_per_byte, embodied_g_per_byte = parameters.network_rates[kind]
    return CarbonRates(
        query.device_g_per_j,
        parameters.embodied_g_per_s,
        j_per_byte[0] if len(j_per_byte) == 1 else pair.of_link(j_per_byte),
        query.device_g_per_j,
        embodied_g_per_byte[0] if len(embodied_g_per_byte) == 1 else pair.of_link(embodied_g_per_byte),
        pair.of_link([query.cloud_g_per_j if is_cloud else query.device_g_per_j for is_cloud in parameters.in_cloud]),
        pair.remote_embodied_g_per_s,
    )


def objective(parameters: WorldParameters, query: SimulatedQuery, spent: Costs) -> Numbers:
    """The quantity the world's goals minimise: joules of the device, grams added in all, or seconds."""
    if parameters.options.objective == "energy":
        return spent.device_j
    return added_g(parameters, query, spent) if parameters.options.objective == "carbon" else spent.latency_s
