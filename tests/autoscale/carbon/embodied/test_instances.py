"""Cloud instances carry their share of their host; accelerators are found by name; products are their reports'."""

import csv
from pathlib import Path

import pytest

from autoscale.carbon import product_footprint
from autoscale.carbon.embodied.instances import find_instance, instance_footprint, instance_names
from autoscale.errors import UnknownName

DATA = Path(__file__).parents[5] / "shared" / "data" / "embodied_carbon"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("m5.large", "aws:m5.large"),
        ("AWS:M5.LARGE", "aws:m5.large"),
        ("Standard_D11_v2", "azure:D11 v2"),
        ("azure:D11 v2", "azure:D11 v2"),
        ("n2-standard-8", "gcp:n2-standard-8"),
        ("p5.48xlarge", "aws:p5.48xlarge"),
    ],
)
def test_an_instance_is_found_as_people_write_it(spelling: str, name: str) -> None:
    found = find_instance(spelling)
    assert found is not None
    assert found.name == name


def test_instances_of_one_size_make_up_their_host() -> None:
    host = find_instance("aws:m5.24xlarge")
    assert host is not None
    assert instance_footprint("m5.24xlarge").kg.mid == pytest.approx(host.host_kg)
    assert 48 * instance_footprint("m5.large").kg.mid == pytest.approx(host.host_kg)


def test_a_card_falls_on_who_has_it() -> None:
    whole, one = instance_footprint("g6.48xlarge"), instance_footprint("g6.xlarge")
    card = product_footprint("l4").kg.mid
    assert whole.kg.mid == pytest.approx(3120 + 8 * card)
    assert one.kg.mid == pytest.approx(3120 * 4 / 192 + card)
    assert "1 of its 8 cards" in one.why


@pytest.mark.parametrize("name", instance_names()[::29])
def test_every_instance_has_a_range_a_life_and_a_source(name: str) -> None:
    footprint = instance_footprint(name)
    assert 0.0 < footprint.kg.low < footprint.kg.mid < footprint.kg.high
    assert len(footprint.source) > 40


def test_what_is_not_known_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'm5\.large'"):
        instance_footprint("m9.large")


@pytest.mark.parametrize("card", ["t4", "l4", "a100-40gb", "a100-80gb", "h100", "h200"])
def test_accelerators_lie_between_act_and_boavizta(card: str) -> None:
    kg = product_footprint(card).kg
    assert kg.low < kg.mid < kg.high
    assert 1.5 < kg.high / kg.mid < 6.0  # they disagree, and the range says so


@pytest.mark.skipif(not DATA.exists(), reason="the recorded data is not here")
def test_hosts_are_those_of_cloud_carbon_footprint() -> None:
    with (DATA / "ccf" / "coefficients-aws-embodied.csv").open() as file:
        made = {row["type"]: float(row["total"]) for row in csv.DictReader(file)}
    for name in ("m5.large", "c6g.xlarge", "r5.4xlarge", "t3.medium"):
        found = find_instance(name)
        assert found is not None
        assert found.host_kg == pytest.approx(made[name], abs=0.1)
    with (DATA / "ccf" / "coefficients-gcp-embodied-mean.csv").open() as file:
        means = {row["type"]: float(row["total_mean"]) for row in csv.DictReader(file)}
    found = find_instance("n2-standard-8")
    assert found is not None
    assert found.host_kg == pytest.approx(means["n2-standard-8"], abs=0.1)
