"""A model profile goes to TOML and comes back whole, and what older releases wrote is read."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import ModelError, ProfileError
from autoscale.profiles.model_profile_codec import network_text
from autoscale.profiles.networks import load_network, network_names
from autoscale.query.model_profile import LAYER_KINDS, Accuracy, ModelProfile
from autoscale.query.target import PRECISIONS

COUNT = st.integers(0, 2**53)
BY_KIND = st.dictionaries(st.sampled_from(LAYER_KINDS), COUNT)
PROFILES = st.builds(
    ModelProfile,
    st.just("mine"),
    **dict.fromkeys((*LAYER_KINDS, "macs", "parameters", "parameter_bytes", "spatial_macs"), COUNT),
    **dict.fromkeys(("input_bytes", "output_bytes"), COUNT),
    macs_by_kind=BY_KIND,
    values_by_kind=BY_KIND,
    accuracies=st.dictionaries(
        st.sampled_from(PRECISIONS), st.builds(Accuracy, st.floats(0.0, 1.0), st.text(min_size=1))
    ),
)
OLD_MANIFEST = """\
schema = 1
name = "old"

[profile]
conv = 1
depthwise_conv = 0
fully_connected = 1
recurrent = 0
macs = 55376
parameters = 306
parameter_bytes = 1224
input_bytes = 3072
output_bytes = 40

[profile.macs_by_kind]
"conv" = 55296
"fully_connected" = 80

[[inputs]]
name = "x"
dtype = "float32"
shape = [1, 3, 16, 16]

[[outputs]]
name = "y"
dtype = "float32"
shape = [1, 10]

[[variants]]
precision = "fp32"
file = "fp32.onnx"
sha256 = "01a7"
accuracy = 0.75
accuracy_source = "8 samples of cal"
"""


def read(folder: Path | str, text: str, name: str = "mine") -> ModelProfile:
    path = Path(folder) / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return load_network(path)


@given(PROFILES, st.text(min_size=1))
def test_every_field_comes_back(profile: ModelProfile, source: str) -> None:
    with TemporaryDirectory() as folder:
        assert read(folder, network_text(profile, source)) == profile


@pytest.mark.parametrize("name", network_names())
def test_a_shipped_network_comes_back(name: str, tmp_path: Path) -> None:
    profile = load_network(name)
    assert read(tmp_path, network_text(profile, "its own file"), name) == profile


def test_what_was_not_counted_is_absent(tmp_path: Path) -> None:
    text = network_text(ModelProfile("mine", input_bytes=4, output_bytes=4), "given")
    assert "moved_values" not in text
    assert "[conv]" not in text
    assert "[accuracy]" not in text
    assert read(tmp_path, text).values_by_kind == {}


def test_a_manifest_of_schema_1_is_a_network(tmp_path: Path) -> None:
    assert read(tmp_path, OLD_MANIFEST, "model") == ModelProfile(
        "old",
        conv=1,
        fully_connected=1,
        macs=55376,
        macs_by_kind={"conv": 55296, "fully_connected": 80},
        parameters=306,
        parameter_bytes=1224,
        input_bytes=3072,
        output_bytes=40,
        accuracies={"fp32": Accuracy(0.75, "8 samples of cal")},
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 7", "schema is 7; allowed: 1 or 2"),
        ("\nconv = 1", "\nkonv = 1", r"unknown key 'konv' in \[profile\] .did you mean 'conv'"),
        ("\nconv = 1", "\nconv = -1", r"profile\.conv is -1; allowed: a whole number"),
        ("\nconv = 1", "", r"'profile\.conv' is missing"),
        ('"conv" = 55296', '"conf" = 55296', r"unknown key 'conf' in \[profile\.macs_by_kind\]"),
        ("accuracy = 0.75", "accuracy = 75", r"variants 1\.accuracy is 75; allowed: a number, 0 to 1"),
        ('accuracy_source = "8 samples of cal"', "", "come together"),
    ],
)
def test_a_wrong_old_manifest_is_named_with_what_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in OLD_MANIFEST
    with pytest.raises(ProfileError, match=message):
        read(tmp_path, OLD_MANIFEST.replace(old, new))


def test_a_kind_of_layer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ModelError, match="did you mean 'conv'"):
        replace(ModelProfile("mine"), macs_by_kind={"cnv": 3})
