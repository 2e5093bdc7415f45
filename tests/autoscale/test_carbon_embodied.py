"""Making: ACT's published parts to the digit, reported footprints, and amortisation that sums to the whole."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.carbon import device_footprint, embodied_g, product_footprint
from autoscale.carbon.act import Act, Fab, Logic, Part, Storage
from autoscale.carbon.facts import read_embodied_facts
from autoscale.carbon.footprint import Footprint, choose, parts_of
from autoscale.carbon.range import Range
from autoscale.errors import InvalidInput, ProfileError, UnknownName
from autoscale.profiles import device_names, load_device
from autoscale.units import SECONDS_PER_YEAR

ACT = Act()
COAL = ACT.fab("coal", abatement=0.95)
MAIN_SSD: tuple[Part, ...] = (
    Storage("flash", "nand_30nm", 3840, packages=13),
    Storage("dram", "ddr3_50nm", 68, packages=0),
)
FAIRPHONE_3_AND_R740: dict[str, tuple[tuple[Part, ...], int, str]] = {
    "Fairphone 3, RAM and flash": ((Storage("dram", "ddr3_50nm", 4), Storage("flash", "nand_30nm", 64)), 1, "5.310"),
    "Fairphone 3, CPU": ((Logic(46.4, 28),), 1, "0.899"),
    "Fairphone 3, 20 other chips": ((Logic(166.7, 28, packages=20),), 1, "5.692"),
    "R740, 8 SSDs of 3.84 TB": (MAIN_SSD, 8, "1477.0"),
    "R740, SSD of 400 GB": ((Storage("flash", "nand_30nm", 400, packages=13), MAIN_SSD[1]), 1, "62.75"),
    "R740, 12 DRAMs of 36 GB": ((Storage("dram", "ddr3_50nm", 36, packages=19),), 12, "330.4"),
    "R740, 2 CPUs": ((Logic(698, 28, packages=2),), 2, "23.1"),
}
POSITIVE = st.floats(1e-3, 1e4)


@pytest.mark.parametrize("name", FAIRPHONE_3_AND_R740)
def test_act_gives_its_published_parts(name: str) -> None:
    parts, count, expected_kg = FAIRPHONE_3_AND_R740[name]
    kg = count * sum(ACT.part_g(part, COAL) for part in parts) / 1e3
    digits = len(expected_kg.partition(".")[2])
    assert f"{kg:.{digits}f}" == expected_kg


@pytest.mark.parametrize(
    ("node", "taiwan", "solar"), [(28, 1328, 771), (14, 1557, 813), (10, 1777, 863), (7, 2318, 986), (3, 3163, 1149)]
)
def test_carbon_per_area_follows_the_node_and_the_grid(node: int, taiwan: int, solar: int) -> None:
    """As computed by hand from ACT's tables at yield 0.875 and 97 % abatement."""
    assert ACT.logic_g_per_cm2(node, ACT.fab("taiwan")) == pytest.approx(taiwan, abs=0.6)
    assert ACT.logic_g_per_cm2(node, ACT.fab("solar")) == pytest.approx(solar, abs=0.6)


@given(POSITIVE, POSITIVE, st.sampled_from([28, 14, 12, 7, 4, 3]))
def test_area_adds_up(first_mm2: float, second_mm2: float, node_nm: float) -> None:
    whole, one, other = (
        ACT.part_g(Logic(area, node_nm, 0), COAL) for area in (first_mm2 + second_mm2, first_mm2, second_mm2)
    )
    assert whole == pytest.approx(one + other)


def test_nodes_between_the_tables_lie_between_their_neighbours() -> None:
    five, four, three = (ACT.logic_g_per_cm2(node, COAL) for node in (5, 4, 3))
    assert four == pytest.approx((five + three) / 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ACT.part_g(Logic(10, 2), COAL), "node_nm is 2; allowed: 3 to 28"),
        (lambda: ACT.part_g(Logic(-1, 7), COAL), "allowed: 0 or more"),
        (lambda: ACT.part_g(Storage("dram", "lpddr5", 8), COAL), "did you mean 'lpddr4'"),
        (lambda: ACT.fab("taiwn"), "did you mean 'taiwan'"),
        (lambda: Fab(400.0, abatement=0.5), "abatement is 0.5; allowed: 0.95 to 0.99"),
        (lambda: Fab(400.0, yield_fraction=0.0), "yield_fraction is 0"),
        (lambda: Fab(-1.0), "intensity_g_per_kwh of the fab is -1"),
        (lambda: product_footprint("fairfone-3"), "did you mean 'fairphone-3'"),
        (lambda: product_footprint("phone").g_per_s(utilisation=0.0), "utilisation is 0"),
        (lambda: product_footprint("phone").g_per_s(share=2.0), "share is 2"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()


def test_the_high_end_holds_the_published_assessments() -> None:
    fairphone = ACT.total_kg([Storage("dram", "ddr3_50nm", 4), Storage("flash", "nand_30nm", 64)])
    server = ACT.total_kg([part for _ in range(8) for part in MAIN_SSD])
    assert fairphone.low <= fairphone.mid < fairphone.high
    assert fairphone.high > 0.9 * 11.0
    assert server.high > 0.9 * 3373.0


@pytest.mark.parametrize("name", device_names())
def test_every_device_has_a_footprint_and_says_why(name: str) -> None:
    profile = load_device(name)
    footprint = device_footprint(profile, ACT)
    assert footprint.basis == "reported"
    assert footprint.kg.mid == profile.embodied.total_kg
    assert "covers the whole machine" in footprint.why
    assert ACT.total_kg(parts_of(profile)).mid < footprint.kg.mid


def test_chips_that_outweigh_the_report_take_its_place() -> None:
    life_s = Range.exactly(SECONDS_PER_YEAR)
    report = Footprint(Range(1.0, 2.0, 3.0), life_s, "reported", "maker", "its maker's report")
    chips = Footprint(Range(4.0, 5.0, 6.0), life_s, "bottom-up", "ACT", "")
    chosen = choose(report, chips)
    assert (chosen.basis, chosen.kg) == ("bottom-up", chips.kg)
    assert "more than the 2 kg" in chosen.why
    assert choose(chips, report).kg == chips.kg


@pytest.mark.parametrize("name", list(read_embodied_facts("products").tables))
def test_every_product_has_a_range_and_a_life(name: str) -> None:
    footprint = product_footprint(name)
    assert 0.0 < footprint.kg.low < footprint.kg.mid < footprint.kg.high
    assert SECONDS_PER_YEAR <= footprint.life_s.low <= footprint.life_s.mid <= footprint.life_s.high
    assert len(footprint.source) > 40


@given(POSITIVE, st.floats(1.0, 10.0), st.floats(0.01, 1.0))
def test_amortisation_sums_to_the_whole_over_the_life(kg: float, years: float, utilisation: float) -> None:
    life_s = years * SECONDS_PER_YEAR
    footprint = Footprint(Range.exactly(kg), Range.exactly(life_s), "reported", "x", "")
    busy_s = utilisation * life_s
    assert footprint.g_per_s(utilisation).mid * busy_s == pytest.approx(kg * 1e3)
    idle_g = footprint.g_per_s().mid * (life_s - busy_s)
    assert footprint.g_per_s().mid * busy_s + idle_g == pytest.approx(kg * 1e3)
    assert footprint.g_per_s(share=0.25).mid * 4 == pytest.approx(footprint.g_per_s().mid)


@given(POSITIVE, POSITIVE, POSITIVE)
def test_sci_shares_are_linear_and_additive(kg: float, first_s: float, second_s: float) -> None:
    life_s = 4 * SECONDS_PER_YEAR
    whole = embodied_g(kg, first_s + second_s, life_s)
    assert whole == pytest.approx(embodied_g(kg, first_s, life_s) + embodied_g(kg, second_s, life_s))
    assert embodied_g(2 * kg, first_s, life_s) == pytest.approx(2 * embodied_g(kg, first_s, life_s))


def test_scis_worked_value() -> None:
    """1000 kg over 4 years, held for an hour: about 28.5 g (SCI specification, worked example)."""
    server = Footprint(Range.exactly(1000.0), Range.exactly(4 * SECONDS_PER_YEAR), "reported", "x", "")
    assert round(server.g_per_s().mid * 3600.0, 1) == 28.5
    assert round(embodied_g(1000.0, 3600.0, 4 * SECONDS_PER_YEAR), 1) == 28.5


def test_a_busy_hour_of_a_gpu_server_is_as_sustainable_ai_has_it() -> None:
    """Wu et al., MLSys 2022: 2000 kg, 30 to 60 % utilised, 3 to 5 years."""
    for years, utilisation, kg_per_hour in ((5, 0.6, 0.076), (4, 0.5, 0.114), (3, 0.3, 0.254)):
        server = Footprint(Range.exactly(2000.0), Range.exactly(years * SECONDS_PER_YEAR), "reported", "x", "")
        assert server.g_per_s(utilisation).mid * 3.6 == pytest.approx(kg_per_hour, abs=5e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 2", "schema = 1"),
        ("schema = 1\n[sources]\n[a]\nx_kg = { value = 1, source = 'b' }", "unknown source in"),
        ("schema = 1\n[sources]\nb = 'B'\n[a]\nx_kg = { value = 1, low = 2, source = 'b' }", "rising"),
        ("schema = 1\n[sources]\nb = 'B'\n[a]\nx_kg = 5", "x_kg is 5; allowed"),
        ("schema = 1\n[sources]\nb = 'B'\n[a]\nx_kg = { value = 'much', source = 'b' }", "allowed: numbers"),
        ("schema = 1\nloose = 1\n[sources]\n", "'loose' outside a table"),
        ("=", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_of_facts_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=message):
        read_embodied_facts(path).sourced("a", "x_kg")


def test_an_unknown_table_is_named() -> None:
    with pytest.raises(UnknownName, match="did you mean 'dram_g_per_gb'"):
        read_embodied_facts("act").table("dram_g_per_b")
