"""A query's grams: linear in what it spent, additive over queries, split by who and how; and the battery's mix."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.carbon import CarbonAccount, ChargeMix, Intensity, Machine, load_network_share
from autoscale.carbon.network_share import MEDIUM_OF_RADIO, NO_NETWORK
from autoscale.errors import InvalidInput, UnknownName
from autoscale.interval import Interval
from autoscale.profiles import link_names, load_link
from autoscale.query.outcome import Method, Outcome, Split
from autoscale.units import J_PER_KWH

AMOUNT = st.floats(0.0, 1e6)
Query = tuple[float, float, float, float, float]
QUERY = st.tuples(AMOUNT, AMOUNT, AMOUNT, AMOUNT, AMOUNT)


def grid(g_per_kwh: float, kind: str = "average", method: Method = Method.MEASURED) -> Intensity:
    return Intensity.of(Interval.about(g_per_kwh, 0.1), kind, "test grid", 0.0, method)  # type: ignore[arg-type]  # a test


PHONE = Machine(grid(360.0), Interval(1e-4, 5e-4, 1e-3))
SERVER = Machine(grid(720.0), Interval(1e-3, 2e-3, 4e-3), pue=1.1)
ACCOUNT = CarbonAccount(PHONE, load_network_share("mobile"), grid(36.0), SERVER)


def test_a_query_computed_by_hand() -> None:
    """2 J and 0.5 s here, 1 MB over a mobile network, 10 J and 0.1 s there."""
    spent = ACCOUNT.grams(device_j=2.0, device_s=0.5, moved_bytes=1e6, remote_j=10.0, remote_s=0.1)
    assert spent.network_j == pytest.approx(504.0)  # 0.14 kWh/GB
    assert spent.operational_g.device == pytest.approx(2.0 * 1e-4)  # 360 g/kWh is 0.1 mg/J
    assert spent.operational_g.network == pytest.approx(504.0 * 1e-5)
    assert spent.operational_g.remote == pytest.approx(10.0 * 2e-4 * 1.1)
    assert spent.embodied_g.device == pytest.approx(0.5 * 5e-4)
    assert spent.embodied_g.network == pytest.approx(2.1e-3)
    assert spent.embodied_g.remote == pytest.approx(0.1 * 2e-3)


def test_an_outcome_takes_it_as_it_is() -> None:
    spent = ACCOUNT.grams(2.0, 0.5, 1e6, 10.0, 0.1)
    outcome = Outcome(0.5, Split(2.0, spent.network_j, 10.0), spent.operational_g, spent.embodied_g)
    assert outcome.carbon_g == pytest.approx(spent.operational_g.total + spent.embodied_g.total)


@given(QUERY, QUERY)
def test_queries_add_up(first: Query, second: Query) -> None:
    together = ACCOUNT.grams(*(a + b for a, b in zip(first, second, strict=True)))
    one, other = ACCOUNT.grams(*first), ACCOUNT.grams(*second)
    assert together.operational_g.total == pytest.approx((one.operational_g + other.operational_g).total)
    assert together.embodied_g.total == pytest.approx((one.embodied_g + other.embodied_g).total)


@given(QUERY)
def test_low_mid_and_high_are_in_order(query: Query) -> None:
    ends = [end.grams(*query) for end in (ACCOUNT.low, ACCOUNT.mid, ACCOUNT.high)]
    for figure in ("device", "network", "remote"):
        operational = [getattr(end.operational_g, figure) for end in ends]
        embodied = [getattr(end.embodied_g, figure) for end in ends]
        assert operational == sorted(operational)
        assert embodied == sorted(embodied)
    assert ends[1] == ACCOUNT.grams(*query)


@given(QUERY)
def test_the_ends_are_the_sums_at_each_end(query: Query) -> None:
    ends, low, high = ACCOUNT.ends(*query), ACCOUNT.low.grams(*query), ACCOUNT.high.grams(*query)
    assert (ends.operational_low_g, ends.operational_high_g, ends.embodied_low_g, ends.embodied_high_g) == (
        pytest.approx((low.operational_g.total, high.operational_g.total, low.embodied_g.total, high.embodied_g.total))
    )


@given(AMOUNT, st.floats(0.0, 1500.0), st.floats(1.0, 3.0))
def test_operational_is_what_the_standard_says(energy_j: float, g_per_kwh: float, pue: float) -> None:
    account = CarbonAccount(Machine(grid(g_per_kwh), pue=pue))
    assert account.grams(energy_j, 0.0).operational_g.device == pytest.approx(energy_j * g_per_kwh * pue / J_PER_KWH)


def test_a_query_that_stays_costs_the_others_nothing() -> None:
    account = CarbonAccount(PHONE)
    spent = account.grams(2.0, 0.5)
    assert (spent.operational_g.network, spent.operational_g.remote, spent.embodied_g.remote) == (0.0, 0.0, 0.0)
    assert set(account.methods) == {"carbon_operational_g.device", "carbon_embodied_g.device"}


def test_methods_and_kinds_are_reported() -> None:
    assert ACCOUNT.methods["carbon_operational_g.network"] is Method.DEFAULT
    assert ACCOUNT.methods["carbon_operational_g.device"] is Method.MODELLED
    assert ACCOUNT.kinds == {"device": "average", "network": "average", "remote": "average"}
    stand_in = CarbonAccount(PHONE, NO_NETWORK, None, Machine(grid(400.0, "marginal", Method.DEFAULT)))
    assert stand_in.methods["carbon_operational_g.remote"] is Method.DEFAULT
    assert stand_in.kinds["remote"] == "marginal"


def test_average_and_marginal_are_not_mixed() -> None:
    with pytest.raises(InvalidInput, match="average or marginal throughout"):
        CarbonAccount(PHONE, remote=Machine(grid(400.0, "marginal")))
    with pytest.raises(InvalidInput, match=r"pue is 0\.9"):
        Machine(grid(400.0), pue=0.9)


def test_networks_are_known_by_medium() -> None:
    fixed, mobile = load_network_share("fixed"), load_network_share("mobile")
    assert fixed.energy_j_per_byte.mid == pytest.approx(1.08e-4)
    assert mobile.energy_j_per_byte.low > fixed.energy_j_per_byte.low
    more = load_network_share("fixed", "marginal")
    assert more.energy_j_per_byte.mid * 125_000 == pytest.approx(0.05, rel=0.01)  # 0.05 W per Mbit/s
    assert more.energy_j_per_byte.high < fixed.energy_j_per_byte.low
    assert "Aslan" in fixed.source
    assert {load_link(name).radio_name for name in link_names()} <= set(MEDIUM_OF_RADIO)
    with pytest.raises(UnknownName, match="did you mean 'mobile'"):
        load_network_share("mobil")  # type: ignore[arg-type]  # that is the test


CHARGES = st.lists(st.tuples(st.floats(1.0, 1e5), st.floats(0.0, 1000.0)), min_size=1, max_size=8)


@given(CHARGES, st.floats(0.3, 1.0))
def test_a_battery_holds_the_charge_weighted_mean(charges: list[tuple[float, float]], efficiency: float) -> None:
    (first_j, first_g), *others = charges
    mix = ChargeMix.filled(first_j, grid(first_g), efficiency)
    for energy_j, g_per_kwh in others:
        mix = mix.charged(energy_j, grid(g_per_kwh), efficiency)
    total_j = math.fsum(energy_j for energy_j, _ in charges)
    mean = math.fsum(energy_j * g for energy_j, g in charges) / total_j / efficiency
    assert mix.intensity(0.0).g_per_kwh == pytest.approx(mean)
    assert mix.drawn(total_j / 3).intensity(0.0).g_per_kwh == pytest.approx(mean)


@given(st.floats(1.0, 1e5), st.floats(0.0, 1000.0), st.floats(0.0, 1.0))
def test_what_is_drawn_and_what_is_left_make_up_the_whole(energy_j: float, g_per_kwh: float, part: float) -> None:
    mix = ChargeMix.filled(energy_j, grid(g_per_kwh))
    left = mix.drawn(part * energy_j)
    drawn_g = part * energy_j * mix.intensity(0.0).g_per_j.mid
    assert left.carbon_g.mid + drawn_g == pytest.approx(mix.carbon_g.mid, abs=1e-9)


def test_a_battery_refuses_what_makes_no_sense() -> None:
    mix = ChargeMix.filled(100.0, grid(100.0))
    assert mix.drawn(1e9).energy_j == 0.0
    for energy_j, efficiency in ((-1.0, 1.0), (1.0, 0.0), (math.inf, 1.0)):
        with pytest.raises(InvalidInput, match="charge of"):
            mix.charged(energy_j, grid(1.0), efficiency)
    with pytest.raises(InvalidInput, match="draw of"):
        mix.drawn(math.nan)
    with pytest.raises(InvalidInput, match="empty"):
        mix.drawn(100.0).intensity(0.0)
    with pytest.raises(InvalidInput, match="one of them throughout"):
        mix.charged(1.0, grid(1.0, "marginal"))
    assert mix.charged(1.0, grid(1.0, method=Method.DEFAULT)).method is Method.DEFAULT
