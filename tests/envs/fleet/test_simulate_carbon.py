"""The simulated fleet's carbon: by region and hour, and its low and high from the account's own ends."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from autoscale.carbon import CarbonAccount, Machine, TypicalHours, data_centre_pue, device_footprint, load_network_share
from autoscale.carbon.network_share import MEDIUM_OF_RADIO
from autoscale.fleet import Rows
from autoscale.fleet.ledger.column import ABSENT
from autoscale.profiles import load_device
from autoscale_envs.fleet.plan import FleetPlan
from autoscale_envs.fleet.population import Cohort, make_cohorts
from autoscale_envs.fleet.regions import REGIONS
from autoscale_envs.fleet.simulate import DayRows

PLAN = FleetPlan(devices=600, days=2, seed=7, mix={"mi8pro": 1.0}, start=date(2024, 4, 30))
"""Two days in two months, by Wi-Fi and by LTE."""
MIDNIGHT_S = datetime(2024, 4, 30, tzinfo=UTC).timestamp()
TYPICAL = TypicalHours()


@pytest.fixture(scope="module")
def cohorts() -> list[Cohort]:
    return make_cohorts(PLAN)


@pytest.fixture(scope="module")
def days(cohorts: list[Cohort]) -> list[list[dict[str, Any]]]:
    """The columns of each cohort's days."""
    blocks = [DayRows(PLAN, each, 0, each.devices) for each in cohorts]
    return [[columns_of(block.day(number)) for number in range(PLAN.days)] for block in blocks]


@pytest.fixture(scope="module")
def columns(days: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """All days' together."""
    each_day = [day for cohort in days for day in cohort]
    return {name: np.concatenate([day[name] for day in each_day]) for name in each_day[0]}


def columns_of(rows: Rows) -> dict[str, Any]:
    texts = {name: np.array(texts.words)[texts.codes] for name, texts in rows.texts.items()}
    return {**rows.numbers, **texts}


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.code)
def test_each_hour_of_a_region_is_what_is_typical_for_it(columns: dict[str, Any], region: Any) -> None:
    hour = columns["time_us"] // 3_600_000_000
    for part, place in (("device", region.code), ("network", region.code), ("remote", region.cloud)):
        here = columns[f"region_{part}"] == place
        assert here.any()
        for number in np.unique(hour[here]):
            intensity_mg = set(columns[f"intensity_{part}_mg_per_kwh"][here & (hour == number)].tolist())
            assert intensity_mg == {round(1000.0 * TYPICAL.at(place, 3600.0 * number).g_per_kwh)}


def test_california_is_cleanest_about_noon(columns: dict[str, Any]) -> None:
    here, hour = columns["region_device"] == "US-CAL-CISO", columns["time_us"] // 3_600_000_000 % 24
    intensity_mg = columns["intensity_device_mg_per_kwh"][here]
    assert intensity_mg[hour[here] == 20].max() < 0.7 * intensity_mg[hour[here] == 4].min()


def test_both_months_are_in_it(columns: dict[str, Any]) -> None:
    in_may = columns["time_us"] >= (MIDNIGHT_S + 86_400.0) * 1e6
    noon = (columns["region_device"] == "BRA") & (columns["time_us"] // 3_600_000_000 % 24 == 15)
    april, may = (set(columns["intensity_device_mg_per_kwh"][noon & each].tolist()) for each in (~in_may, in_may))
    assert len(april) == len(may) == 1
    assert april != may


def test_how_carbon_is_known_follows_the_region(columns: dict[str, Any]) -> None:
    home, remote = (
        np.array([f"carbon_operational_g.{part}=modelled" in each for each in columns["methods"]])
        for part in ("device", "remote")
    )
    away = columns["place"] == "cloud"
    assert np.array_equal(home, columns["region_device"] != "IDN")  # the only one whose hours are not known
    assert np.array_equal(remote, away & (columns["region_remote"] != "gcp:asia-southeast2"))


@pytest.mark.parametrize("kind", ["operational", "embodied"])
@pytest.mark.parametrize("place", ["device", "cloud"])
def test_low_and_high_are_the_ends_of_the_carbon_account(
    cohorts: list[Cohort], days: list[list[dict[str, Any]]], kind: str, place: str
) -> None:
    for cohort, (day, _) in zip(cohorts, days, strict=True):
        accounts = {each.code: account_of(cohort, each) for each in REGIONS}
        rows = np.flatnonzero(day["place"] == place)
        assert len(rows) > 200
        for row in rows[:: len(rows) // 100].tolist():
            account = accounts[day["region_device"][row]][day["time_us"][row] // 3_600_000_000 % 24]
            used = used_by(cohort, day, row)
            mid_ng = sum(day[f"{kind}_{part}_ng"][row] for part in ("device", "network", "remote"))
            for end in ("low", "mid", "high"):
                grams = getattr(getattr(account, end).grams(*used), f"{kind}_g").total
                recorded_ng = mid_ng if end == "mid" else day[f"{kind}_{end}_ng"][row]
                # Joules and seconds are rounded to a millionth in the ledger, grams to a milliardth.
                assert recorded_ng == pytest.approx(grams * 1e9, abs=3.0)


def account_of(cohort: Cohort, region: Any) -> list[CarbonAccount]:
    """A region's accounts of the hours of the first day."""
    network = load_network_share(MEDIUM_OF_RADIO[cohort.parameters.links[1].radio_name], "average")
    phone, server = (device_footprint(each).g_per_s() for each in (cohort.parameters.device, load_device("xeon-p100")))
    hours_s = [MIDNIGHT_S + 3600.0 * hour for hour in range(24)]
    grids = [[TYPICAL.at(place, time_s) for place in (region.code, region.cloud)] for time_s in hours_s]
    return [
        CarbonAccount(Machine(home, phone), network, None, Machine(remote, server, data_centre_pue(region.cloud)))
        for home, remote in grids
    ]


def used_by(cohort: Cohort, day: dict[str, Any], row: int) -> tuple[float, float, float, float, float]:
    """What the account is asked of a query; how long the server computed follows from the mid of its making."""
    (network,) = (each for each in cohort.parameters.networks if each.name == day["model"][row])
    is_remote = day["place"][row] == "cloud"
    server_g_per_s = device_footprint(load_device("xeon-p100")).g_per_s().mid
    return (
        day["energy_device_uj"][row] / 1e6,
        day["latency_us"][row] / 1e6,
        float(network.input_bytes + network.output_bytes) * is_remote,
        day["energy_remote_uj"][row] / 1e6,
        day["embodied_remote_ng"][row] / 1e9 / server_g_per_s,
    )


def test_grams_are_joules_times_intensity(columns: dict[str, Any]) -> None:
    away = columns["place"] == "cloud"
    of_region = np.array([data_centre_pue(str(each)) for each in columns["region_remote"][away]])
    assert len(set(of_region.tolist())) > 2  # each data centre its own
    assert (columns["pue_remote_ppm"][away] == np.rint(of_region * 1e6)).all()
    for part, pue, here in (("device", 1.0, slice(None)), ("remote", of_region, away)):
        energy_uj, intensity_mg = columns[f"energy_{part}_uj"][here], columns[f"intensity_{part}_mg_per_kwh"][here]
        off_ng = np.abs(columns[f"operational_{part}_ng"][here] - pue * energy_uj * intensity_mg / 3.6e6)
        # Half a unit each of joules, milligrams per kWh and nanograms.
        assert (off_ng <= 0.5 + pue * 0.5 * (energy_uj + intensity_mg) / 3.6e6 + 1e-6).all()
    assert columns["energy_network_uj"][away].min() > 0
    for part in ("network", "remote"):
        assert (columns[f"energy_{part}_uj"][~away] == 0).all()
        assert set(columns[f"region_{part}"][~away]) == {""}
        assert (columns[f"intensity_{part}_mg_per_kwh"][~away] == ABSENT).all()


@pytest.mark.parametrize("kind", ["operational", "embodied"])
def test_low_and_high_enclose_the_parts(columns: dict[str, Any], kind: str) -> None:
    total = sum(columns[f"{kind}_{part}_ng"] for part in ("device", "network", "remote"))
    assert (columns[f"{kind}_low_ng"] <= total).all()
    assert (columns[f"{kind}_high_ng"] >= total).all()
    assert columns[f"{kind}_low_ng"].sum() < total.sum() < columns[f"{kind}_high_ng"].sum()


def test_who_decides_by_carbon_emits_less_than_who_decides_by_the_devices_energy(
    days: list[list[dict[str, Any]]],
) -> None:
    plan = replace(PLAN, objective="carbon")
    blocks = [DayRows(plan, each, 0, each.devices) for each in make_cohorts(plan)]
    by_carbon = [[columns_of(block.day(number)) for number in range(plan.days)] for block in blocks]
    assert total_ng(by_carbon, "carbon") < 0.8 * total_ng(days, "energy")


def total_ng(days: list[list[dict[str, Any]]], objective: str) -> int:
    """Of a query, everywhere but on the network, whose share is no decision's doing."""
    every = [day for cohort in days for day in cohort]
    assert {word for day in every for word in day["objective"]} == {objective}
    parts = [f"{kind}_{part}_ng" for kind in ("operational", "embodied") for part in ("device", "remote")]
    grams = sum(int(day[name].sum()) for day in every for name in parts)
    return grams // sum(len(day["time_us"]) for day in every)
