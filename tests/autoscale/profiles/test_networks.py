"""The paper's ten networks as facts."""

from pathlib import Path

import pytest

from autoscale.errors import ProfileError, UnknownName
from autoscale.profiles.networks import load_network, network_names
from autoscale.profiles.shipped import devices_folder

NETWORKS = {name: load_network(name) for name in network_names()}

# Millions of MACs and parameters as published with the networks (for the SSD heads: TensorFlow's model zoo).
PUBLISHED = {
    "inception-v1": (1500, 6.6),
    "inception-v3": (5720, 23.8),
    "mobilenet-v1": (569, 4.2),
    "mobilenet-v2": (300, 3.5),
    "mobilenet-v3": (219, 5.4),
    "resnet-50": (4100, 25.6),
    "ssd-mobilenet-v1": (1200, 6.8),
    "ssd-mobilenet-v2": (800, 4.3),
    "ssd-mobilenet-v3": (510, 3.2),
    "mobilebert": (2850, 25.3),
}


def test_ships_the_papers_ten():
    assert set(NETWORKS) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_size_is_what_was_published(name):
    macs, parameters = PUBLISHED[name]
    assert NETWORKS[name].macs / 1e6 == pytest.approx(macs, rel=0.08)
    assert NETWORKS[name].parameters / 1e6 == pytest.approx(parameters, rel=0.08)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_parts_add_up(name):
    network = NETWORKS[name]
    assert network.macs == sum(network.macs_by_kind.values())
    assert 0 <= network.spatial_macs <= network.macs_by_kind.get("conv", 0)
    assert sum(network.values_by_kind.values()) > 0.9 * network.parameters
    assert network.parameter_bytes == 4 * network.parameters
    assert network.input_bytes > network.output_bytes / 10 > 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_precision_has_an_accuracy_with_its_source(name):
    accuracies = NETWORKS[name].accuracies
    assert set(accuracies) == {"fp32", "fp16", "int8"}
    assert accuracies["int8"].value <= accuracies["fp32"].value + 0.005
    assert all(accuracy.source for accuracy in accuracies.values())


def test_int8_misses_a_floor_that_fp32_meets():
    assert any(n.accuracies["int8"].value < 0.71 <= n.accuracies["fp32"].value for n in NETWORKS.values())


def test_layer_kinds_tell_the_networks_apart():
    assert NETWORKS["mobilebert"].conv == 0
    assert NETWORKS["mobilenet-v3"].fully_connected > 10 > NETWORKS["mobilenet-v2"].fully_connected
    assert NETWORKS["inception-v3"].conv >= 90


def test_names_are_forgiving_and_wrong_ones_get_a_hint():
    assert load_network("MobileNet V1").name == "mobilenet-v1"
    with pytest.raises(UnknownName, match="did you mean 'resnet-50'"):
        load_network("resnet-51")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("work_macs", "work_mac", "did you mean 'work_macs'"),
        ("value = 14,", "value = -14,", "conv.count_layers: value is -14"),
        ('title = "MobileNet v1 1.0"', "", "'title' is missing"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, old: str, new: str, message: str):
    text = (devices_folder() / "networks" / "mobilenet-v1.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mobilenet-v1.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ProfileError, match=message):
        load_network(path)
