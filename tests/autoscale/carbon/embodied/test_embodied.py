"""Making: ACT's published parts to the digit, reported footprints, and amortisation that sums to the whole."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.carbon import device_footprint, product_footprint
from autoscale.carbon.embodied.act import Act, Fab, Logic, Part, Storage
from autoscale.carbon.embodied.bill_of_materials import bill_footprint, bill_names, is_bill, load_bill
from autoscale.carbon.embodied.facts import read_embodied_facts
from autoscale.carbon.embodied.footprint import Footprint, choose, parts_of
from autoscale.errors import InvalidInput, ProfileError, UnknownName
from autoscale.interval import Interval
from autoscale.profiles import device_names, load_device
from autoscale.profiles.shipped import devices_folder
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
    ("name", "assessed_kg"),
    [
        ("Fairphone 3, RAM and flash", 11.0),
        ("Fairphone 3, CPU", 1.07),
        ("Fairphone 3, 20 other chips", 5.3),
        ("R740, 8 SSDs of 3.84 TB", 3373.0),
        ("R740, SSD of 400 GB", 64.1),
        ("R740, 12 DRAMs of 36 GB", 533.0),
        ("R740, 2 CPUs", 47.0),
    ],
)
def test_the_range_holds_what_life_cycle_assessments_found(name: str, assessed_kg: float) -> None:
    parts, count, _ = FAIRPHONE_3_AND_R740[name]
    kg = ACT.total_kg(parts) * count
    assert kg.low <= assessed_kg <= kg.high


@pytest.mark.parametrize(("name", "expected_kg"), [("fairphone-3-chips", 11.902), ("poweredge-r740-lca", 1893.3)])
def test_the_bills_that_ship_are_acts_published_parts(name: str, expected_kg: float) -> None:
    """Sums of the parts above: 5.310 + 0.899 + 5.692 kg, and 1477.0 + 62.75 + 330.4 + 23.1 kg."""
    items = load_bill(name).items
    kg = sum(ACT.part_g(item.part, COAL) * item.count for item in items) / 1e3
    assert kg == pytest.approx(expected_kg, rel=2e-4)


@pytest.mark.parametrize("name", bill_names())
def test_a_bill_is_summed_from_the_bottom_up_over_the_life_of_its_kind(name: str) -> None:
    bill = load_bill(name)
    footprint = bill_footprint(bill, ACT)
    assert footprint.basis == "bottom-up"
    assert footprint.life_s == product_footprint(bill.kind).life_s
    for end in ("low", "mid", "high"):
        parts_kg = (getattr(item.kg(ACT), end) for item in bill.items)
        assert getattr(footprint.kg, end) == pytest.approx(sum(parts_kg))


BILL = 'schema = 1\ntitle = "X"\nkind = "server"\nsource = "me"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "is not TOML"),
        (BILL, "'parts' is missing"),
        (BILL.replace("1", "2", 1) + "[[parts]]\nlogic_mm2 = 1\nnode_nm = 7", "schema is 2; allowed: 1"),
        (BILL + "parts = [5]", r"parts is \[5\]; allowed: tables \[\[parts\]\]"),
        (BILL + "[[parts]]\nlogic_mm2 = 1", r"'parts 1\.node_nm' is missing"),
        (BILL + "[[parts]]\nlogic_mm2 = 1\nnode_nm = 7\ncolour = 'red'", r"unknown key 'colour' in \[parts 1\]"),
        (
            BILL + "[[parts]]\ndram = 'lpddr4'\nflash = 'nand_10nm'\ncapacity_gb = 1",
            "one of logic_mm2, dram, flash, disk",
        ),
        (BILL + "[[parts]]\nname = 'air'", "parts 1: allowed: one of logic_mm2, dram"),
        (BILL + "[[parts]]\ndram = 'lpddr4'\ncapacity_gb = 'much'", "capacity_gb is 'much'; allowed: a number"),
        (BILL + "[[parts]]\ndram = 'lpddr4'\ncapacity_gb = nan", "capacity_gb is nan"),
        (BILL + "[[parts]]\ndram = 'lpddr4'\ncapacity_gb = 1\ncount = 1.5", "count is 1.5; allowed: a whole number"),
        (BILL + "[[parts]]\ndram = 'lpddr5'\ncapacity_gb = 1", "did you mean 'lpddr4'"),
        (BILL + "[[parts]]\nlogic_mm2 = 1\nnode_nm = 2", "node_nm is 2.0; allowed: 3 to 28"),
        (BILL.replace("server", "sever") + "[[parts]]\nlogic_mm2 = 1\nnode_nm = 7", "did you mean 'server'"),
    ],
)
def test_a_wrong_bill_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        bill_footprint(load_bill(path), ACT)


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["logic_mm2", "node_nm", "dram", "flash", "capacity_gb", "packages", "count"]),
        st.sampled_from(["7", "-1", "0.5", "nan", "inf", "true", "'lpddr4'", "'nand_10nm'", "[]"]),
    )
)
def test_any_part_is_summed_or_refused(tmp_path_factory: pytest.TempPathFactory, part: dict[str, str]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(BILL + "[[parts]]\n" + "".join(f"{key} = {value}\n" for key, value in part.items()))
    try:
        kg = bill_footprint(load_bill(path), ACT).kg
    except InvalidInput:
        return
    assert 0.0 <= kg.low <= kg.mid <= kg.high


def test_a_bill_is_distinguished_from_a_device(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BILL + "[[parts]]\nlogic_mm2 = 100\nnode_nm = 7\npackages = 2\ncount = 3")
    assert is_bill(path)
    (item,) = load_bill(str(path)).items
    assert (item.name, item.part, item.count) == ("logic, 7 nm", Logic(100, 7, 2), 3)
    assert not is_bill(devices_folder() / "mi8pro.toml")
    with pytest.raises(UnknownName, match="did you mean 'fairphone-3-chips'"):
        load_bill("fairphone-3-chip")


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
    life_s = Interval.exactly(SECONDS_PER_YEAR)
    report = Footprint(Interval(1.0, 2.0, 3.0), life_s, "reported", "maker", "its maker's report")
    chips = Footprint(Interval(4.0, 5.0, 6.0), life_s, "bottom-up", "ACT", "")
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
    footprint = Footprint(Interval.exactly(kg), Interval.exactly(life_s), "reported", "x", "")
    busy_s = utilisation * life_s
    assert footprint.g_per_s(utilisation).mid * busy_s == pytest.approx(kg * 1e3)
    idle_g = footprint.g_per_s().mid * (life_s - busy_s)
    assert footprint.g_per_s().mid * busy_s + idle_g == pytest.approx(kg * 1e3)
    assert footprint.g_per_s(share=0.25).mid * 4 == pytest.approx(footprint.g_per_s().mid)


def test_scis_worked_value() -> None:
    """1000 kg over 4 years, held for an hour: about 28.5 g (SCI specification, worked example)."""
    server = Footprint(Interval.exactly(1000.0), Interval.exactly(4 * SECONDS_PER_YEAR), "reported", "x", "")
    assert round(server.g_per_s().mid * 3600.0, 1) == 28.5


def test_a_busy_hour_of_a_gpu_server_is_as_sustainable_ai_has_it() -> None:
    """Wu et al., MLSys 2022: 2000 kg, 30 to 60 % utilised, 3 to 5 years."""
    for years, utilisation, kg_per_hour in ((5, 0.6, 0.076), (4, 0.5, 0.114), (3, 0.3, 0.254)):
        server = Footprint(Interval.exactly(2000.0), Interval.exactly(years * SECONDS_PER_YEAR), "reported", "x", "")
        assert server.g_per_s(utilisation).mid * 3.6 == pytest.approx(kg_per_hour, abs=5e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 2", "schema is 2; allowed: 1"),
        ("schema = 1\n[sources]\n[a]\nx_kg = { value = 1, source = 'b' }", "source is 'b'; allowed"),
        ("schema = 1\n[sources]\nb = 'B'\n[a]\nx_kg = { value = 1, low = 2, source = 'b' }", "rising"),
        ("schema = 1\n[sources]\nb = 'B'\n[a]\nx_kg = 5", "x_kg is 5; allowed"),
        (
            "schema = 1\n[sources]\nb = 'B'\n[a]\nx_kg = { value = 'much', source = 'b' }",
            "value is 'much'; allowed: a number",
        ),
        ("schema = 1\nloose = 1\n[sources]\n", r"loose is 1; allowed: a table \[loose\]"),
        ("=", "is not TOML"),
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
