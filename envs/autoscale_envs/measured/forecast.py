"""What a profile's physics say of a table's networks and targets, for agents that are told so."""

import numpy as np

from autoscale.errors import AutoScaleError
from autoscale.physics.compute import compute
from autoscale.profiles import DeviceProfile
from autoscale.query.forecast import Forecast
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target
from autoscale_envs.measured.table import MeasuredTable
from autoscale_envs.measured.world import Forecasts, flat, model_of


def profile_forecasts(profile: DeviceProfile, table: MeasuredTable) -> Forecasts:
    """Latency and energy of every target that the profile's device has, undisturbed; its measured rows come first.

    A network that does not ship has no layers to compute, and gets the flat forecast unless the profile holds rows of
    it; a target of which nothing is known gets the mean of the others.
    """
    every = [_forecast(profile, table, network) for network in range(len(table.networks))]
    return every.__getitem__


def known_fraction(profile: DeviceProfile, table: MeasuredTable) -> float:
    """Share of the networks that the profile's physics say anything of."""
    return sum(_is_known(profile, model_of(name)) for name in table.networks) / len(table.networks)


def _forecast(profile: DeviceProfile, table: MeasuredTable, network: int) -> Forecast:
    model = model_of(table.networks[network])
    if not _is_known(profile, model):
        return flat(table, network)
    figures = np.array([_figures(profile, model, target) for target in table.targets])
    if np.isnan(figures).all():
        return flat(table, network)
    latency_s, energy_j = np.where(np.isnan(figures), np.exp(np.nanmean(np.log(figures), axis=0)), figures).T
    return Forecast(latency_s, energy_j, energy_j, table.accuracy[network])


def _is_known(profile: DeviceProfile, model: ModelProfile) -> bool:
    return model.is_counted or any(row.network == model.name for row in profile.measured)


def _figures(profile: DeviceProfile, model: ModelProfile, target: Target) -> tuple[float, float]:
    if not model.is_counted and not any(row.network == model.name and row.target == target for row in profile.measured):
        return np.nan, np.nan
    try:
        cost = compute(profile, model, target)
    except AutoScaleError:
        return np.nan, np.nan
    return cost.latency_s, cost.energy_j + profile.idle_w * cost.latency_s
