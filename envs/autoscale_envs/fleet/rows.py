"""The queries of a day as rows of the ledger; how a figure becomes a whole number is the ledger's own business."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autoscale.arrays import Indices, Numbers
from autoscale.fleet.ledger.column import ABSENT
from autoscale.fleet.ledger.figures import rows_of_figures
from autoscale.fleet.ledger.rows import Ints, Rows, Texts
from autoscale.fleet.ledger.schema import SCHEMA
from autoscale.physics.carbon import CarbonRates, QueryCarbon
from autoscale.query.goal import InferenceMode
from autoscale.query.outcome import Method, Split
from autoscale.units import MICRO_PER_UNIT
from autoscale_envs.fleet.population import ID_BYTES, Cohort, People, names
from autoscale_envs.fleet.regions import REGIONS, Grid, place_of, pues
from autoscale_envs.fleet.sessions import QUERIES, SimulatedDay
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.sim_world import METHODS

APP_VERSION: Final = "simulated"


def day_rows(
    cohort: Cohort,
    people: People,
    day: SimulatedDay,
    first: Ints,
    midnight: datetime,
    generator: np.random.Generator,
) -> Rows:
    """Rows in the order of devices and sessions.

    Args:
        cohort: whose the devices are.
        people: the devices.
        day: their queries of it.
        first: sequence number of each device's first row of the day, shape (devices,).
        midnight: before the day, UTC.
        generator: names the sessions.
    """
    session = np.arange(len(day.device)).repeat(QUERIES)
    device, region = day.device.take(session), people.region.take(day.device)
    is_remote = np.array([each.is_remote for each in cohort.parameters.targets])[day.target]
    grid, place = cohort.grids.of(midnight.year, midnight.month), place_of(region[:, None], day.time_s)
    session_ids = generator.bytes(ID_BYTES * len(day.device)).hex()
    return rows_of_figures(
        {
            **_query_figures(cohort, day, _sequence(device, first), round(midnight.timestamp()) * MICRO_PER_UNIT),
            **_cost_figures(cohort, day, grid.rates(place), is_remote),
            **_intensities(grid, place.ravel(), is_remote.ravel()),
            "pue_remote_ppm": np.where(is_remote.ravel(), pues().take(region).repeat(QUERIES), np.nan),
        },
        {
            "device_id": _texts(device, names(people.device_ids)),
            "log_id": _texts(device, names(people.log_ids)),
            "session_id": _texts(session, names(session_ids)),
            **_query_texts(cohort, day),
            **_place_texts(grid, region.repeat(QUERIES), is_remote.ravel()),
        },
    )


def _sequence(device: Indices, first: Ints) -> Ints:
    """The number of each row in its device's log; rows of a device follow each other."""
    counts = np.bincount(device, minlength=len(first))
    before = np.cumsum(counts) - counts
    return np.asarray(np.arange(len(device)) + (first - before).take(device))


def _query_figures(cohort: Cohort, day: SimulatedDay, sequence: Ints, day_us: int) -> dict[str, NDArray[Any]]:
    limit_s = cohort.parameters.limits_s.take(day.network)
    policy, ones = cohort.policy, np.ones_like(sequence)
    forecast = policy.forecast
    which = day.state * forecast.latency_s.shape[1] + day.target
    return {
        "schema": ones * SCHEMA,
        "sequence": sequence,
        "time_us": day_us + np.rint(day.time_s * MICRO_PER_UNIT).astype(np.int64),
        "did_fallback": np.zeros_like(sequence),
        "attempts": ones,
        "probability_ppb": day.probability,
        "latency_us": day.latency_s,
        "goal_latency_us": limit_s,
        "is_late": day.latency_s > limit_s,
        "accuracy_ppm": day.accuracy,
        "predicted_latency_us": forecast.latency_s.take(which),
        "predicted_energy_uj": forecast.energy_j.take(which),
    }


def _cost_figures(cohort: Cohort, day: SimulatedDay, ends: list[CarbonRates], is_remote: Flags) -> dict[str, Numbers]:
    models = cohort.parameters.networks
    bytes_of = np.array([each.input_bytes + each.output_bytes for each in models], dtype=np.float64)
    moved_bytes: Numbers = bytes_of.take(day.network) * is_remote
    low, mid, high = (
        rates.grams(day.device_j, day.latency_s, moved_bytes, day.remote_j, day.remote_s) for rates in ends
    )
    return {
        **_split("energy_{}_uj", Split(day.device_j, mid.network_j, day.remote_j)),
        **_carbon("operational", low, mid, high),
        **_carbon("embodied", low, mid, high),
    }


def _intensities(grid: Grid, place: Indices, is_remote: Flags) -> dict[str, Ints]:
    home, remote = (each.take(place) for each in (grid.device_mg_per_kwh, grid.remote_mg_per_kwh))
    return {
        "intensity_device_mg_per_kwh": home,
        "intensity_network_mg_per_kwh": np.where(is_remote, home, ABSENT),
        "intensity_remote_mg_per_kwh": np.where(is_remote, remote, ABSENT),
    }


def _carbon(kind: str, low: QueryCarbon, mid: QueryCarbon, high: QueryCarbon) -> dict[str, Numbers]:
    """The three parts and the ends of their sum."""
    least_g, middle_g, most_g = (getattr(each, f"{kind}_g") for each in (low, mid, high))
    ends = {f"{kind}_low_ng": least_g.total, f"{kind}_high_ng": most_g.total}
    return _split(f"{kind}_{{}}_ng", middle_g) | ends


def _split(name: str, split: Split) -> dict[str, Numbers]:
    return {name.format(part): getattr(split, part) for part in ("device", "network", "remote")}


def _query_texts(cohort: Cohort, day: SimulatedDay) -> dict[str, Texts]:
    targets, chosen = cohort.parameters.targets, day.target.ravel()
    count, printed = len(chosen), _texts(chosen, [str(each) for each in targets])
    return {
        "app_version": Texts.same(APP_VERSION, count),
        "device_model": Texts.same(cohort.parameters.device.name, count),
        "model": _texts(day.network.ravel(), [each.name for each in cohort.parameters.networks]),
        "objective": Texts.same(cohort.parameters.options.objective, count),
        "requested": Texts.same(InferenceMode.AUTO.value, count),
        "chosen": printed,
        "selected": printed,
        **({"considered": _texts(day.state.ravel(), cohort.considered).trimmed()} if cohort.considered else {}),
        **{
            name: _words(chosen, [getattr(each, name) for each in targets])
            for name in ("place", "processor", "precision")
        },
    }


def _place_texts(grid: Grid, region: Indices, is_remote: Flags) -> dict[str, Texts]:
    home, remote = ([getattr(each, name) for each in REGIONS] for name in ("code", "cloud"))
    away, kind = np.where(is_remote, region + 1, 0), is_remote.astype(np.int32)
    methods = [{**METHODS, **each} for each in grid.methods]
    own = [{name: how for name, how in each.items() if not name.endswith(("network", "remote"))} for each in methods]
    return {
        "region_device": _texts(region, home),
        "region_network": _texts(away, ["", *home]),
        "region_remote": _words(away, ["", *remote]),
        "intensity_device_kind": Texts.same("average", len(region)),
        "intensity_network_kind": Texts(kind, ("", "average")),
        "intensity_remote_kind": Texts(kind, ("", "average")),
        "methods": _words(region + len(REGIONS) * is_remote, map(_printed, own + methods)),
    }


def _printed(methods: dict[str, Method]) -> str:
    return ";".join(f"{figure}={method}" for figure, method in sorted(methods.items()))


def _words(codes: Indices, words: Iterable[str]) -> Texts:
    """Texts of words that repeat, each given once."""
    listed = list(words)
    known = tuple(dict.fromkeys(listed))
    return Texts(np.array([known.index(each) for each in listed], np.int32).take(codes), known)


def _texts(codes: Indices, words: Iterable[str]) -> Texts:
    return Texts(codes.astype(np.int32), tuple(words))
