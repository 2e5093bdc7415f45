"""Measured rows of a device file: read, written back, and refused by what is wrong with them."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import ProfileError
from autoscale.interval import Interval
from autoscale.profiles import device_names, load_device
from autoscale.profiles.device_text import device_text
from autoscale.profiles.folder import read_device
from autoscale.profiles.measured import MeasuredRow
from autoscale.profiles.networks import load_network
from autoscale.profiles.shipped import devices_folder
from autoscale.profiles.toml_table import TomlTable
from autoscale.query.outcome import Method
from autoscale.query.target import Target

BOARD = load_device("rpi5")
ROW = """
[[measured]]
network = "resnet-50"
target = "device:cpu/int8@4t#tflite"
latency_s = { value = 0.1, low = 0.09, high = 0.13 }
energy_j = 0.6
accuracy = 0.75
source = "spec"
"""


def read(text: str) -> tuple[MeasuredRow, ...]:
    shipped = (devices_folder() / "rpi5.toml").read_text(encoding="utf-8")
    return read_device(TomlTable("rpi5.toml", tomllib.loads(shipped + text))).measured


def test_a_row_is_read_with_its_spread_and_its_source():
    (row,) = read(ROW)
    assert row.target == Target.parse("device:cpu/int8@4t#tflite")
    assert row.latency_s == Interval(0.09, 0.1, 0.13)
    assert row.energy_j == Interval.about(0.6, 0.05)
    assert row.mean_w == pytest.approx(6.0)
    assert row.source.startswith("Raspberry Pi 5")


def test_watts_may_stray_as_far_as_the_runs_do():
    assert read(ROW.replace("energy_j = 0.6", "energy_j = 0.6\npower_w = 4.6"))[0].power_w == 4.6
    with pytest.raises(ProfileError, match=r"power_w is 5\.6"):
        read(
            ROW.replace("{ value = 0.1, low = 0.09, high = 0.13 }", "0.1").replace(
                "accuracy", "power_w = 5.6\naccuracy"
            )
        )


WRONG = {
    "zero seconds": ("latency_s = { value = 0.1, low = 0.09, high = 0.13 }", "latency_s = 0", "number above 0"),
    "negative joules": ("energy_j = 0.6", "energy_j = -0.6", r"measured 1.energy_j is -0.6; allowed: a number above 0"),
    "nan": ("energy_j = 0.6", "energy_j = nan", "number above 0"),
    "text": ("energy_j = 0.6", 'energy_j = "0.6"', "number above 0"),
    "unit": ("energy_j = 0.6", "energy_mj = 600", "unknown key 'energy_mj'.*did you mean 'energy_j'"),
    "percent": ("accuracy = 0.75", "accuracy = 75.0", "1 at most"),
    "no digits left": ("energy_j = 0.6", "energy_j = 1e-320", "1e-15 or more.*1e[+]15 at most"),
    "too much": ("energy_j = 0.6", "energy_j = 1e300", "1e-15 or more.*1e[+]15 at most"),
    "watts": (
        "energy_j = 0.6",
        "energy_j = 0.6\npower_w = 9.0",
        r"measured 1.power_w is 9.0; allowed: energy_j / latency_s, which is 6 W here \(4.396 to 7 W\), or one of",
    ),
    "range": ("low = 0.09", "low = 0.2", "low <= value <= high"),
    "half a range": (", high = 0.13", "", "'measured 1.latency_s.high' is missing"),
    "target": ("device:cpu/int8@4t#tflite", "cpu-int8", "measured 1.target: 'cpu-int8' is not a target"),
    "remote": ("device:cpu/int8@4t#tflite", "cloud:cpu/int8", "on the device itself"),
    "processor": ("device:cpu/int8@4t#tflite", "device:npu/int8", "rpi5 has no npu; allowed: 'cpu'"),
    "threads": ("int8@4t", "int8@8t", "4 threads at most"),
    "clock": ("int8@4t", "int8@9000MHz", "1500 to 2400 MHz"),
    "a line": ('network = "resnet-50"', 'network = "res\\nnet"', "the name of a network, in one line"),
    "network": ('network = "resnet-50"', 'network = ""', "the name of a network"),
    "source": ('source = "spec"', 'source = "spek"', "did you mean 'spec'"),
    "missing": ('source = "spec"\n', "", "'measured 1.source' is missing"),
    "method": ('source = "spec"', 'source = "spec"\nmethod = "guessed"', "'measured', 'modelled', 'default'"),
    "twice": ("[[measured]]", ROW + "[[measured]]", r"measured 2 is 'resnet-50' on 'device:cpu/int8@4t#tflite', as is"),
    "two names": (
        "[[measured]]",
        ROW.replace("@4t", "") + "[[measured]]",
        r"measured 2 is 'resnet-50' on 'device:cpu/int8@4t#tflite', which is the setting of 'device:cpu/int8#tflite', "
        "measured 1; allowed: one row for each setting",
    ),
    "a clock": (
        "[[measured]]",
        ROW.replace("@4t", "@2400MHz") + "[[measured]]",
        r"which is the setting of 'device:cpu/int8@2400MHz#tflite', measured 1",
    ),
    "a table": ("[[measured]]", "[measured]", r"tables \[\[measured\]\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_row_says_what_is_wrong(case: str):
    old, new, message = WRONG[case]
    with pytest.raises(ProfileError, match=message) as caught:
        read(ROW.replace(old, new, 1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", device_names())
def test_what_ships_comes_back_as_it_was_written(name: str):
    device = load_device(name)
    back = read_device(TomlTable(f"{name}.toml", tomllib.loads(device_text(device))))
    assert (back.figures, back.measured) == (device.figures, device.measured)
    assert device_text(back) == device_text(device)


positive = st.floats(1e-6, 1e6)
intervals = st.tuples(positive, positive, positive).map(sorted).map(lambda ends: Interval(*ends))
targets = st.sampled_from([f"device:cpu/{p}{s}{e}" for p in ("fp32", "int8") for s in ("", "@2t") for e in ("", "#a")])
rows = st.builds(
    MeasuredRow,
    st.text(min_size=1).filter(lambda name: name.strip() and name.isprintable()),
    targets.map(Target.parse),
    intervals,
    st.none() | intervals,
    st.none() | positive,
    st.none() | st.floats(0.01, 1.0),
    st.sampled_from(["my plug", 'a "quoted" meter']),
    st.sampled_from(Method),
)


@given(st.lists(rows, max_size=5, unique_by=lambda row: (row.network, row.target)))
def test_any_row_comes_back(measured: list[MeasuredRow]):
    measured = [each if each.energy_j is None else replace(each, power_w=None) for each in measured]
    device = replace(BOARD, measured=tuple(measured), fingerprint="abc")
    back = read_device(TomlTable("rpi5.toml", tomllib.loads(device_text(device))))
    assert (back.measured, back.fingerprint) == (device.measured, "abc")


def test_a_file_may_describe_its_networks(tmp_path: Path):
    mine = replace(load_network("mobilenet-v2"), name="mine, v2.0")
    device = replace(BOARD, name="mine", networks={mine.name: mine})
    (tmp_path / "mine.toml").write_text(device_text(device), encoding="utf-8")
    assert load_device(tmp_path / "mine.toml").networks == {mine.name: replace(mine, accuracies={})}


def test_a_network_that_is_wrong_is_named():
    text = device_text(replace(BOARD, networks={"mine": replace(load_network("mobilenet-v2"), name="mine")}))
    wrong = TomlTable("rpi5.toml", tomllib.loads(text.replace("count_layers", "count_layer")))
    with pytest.raises(ProfileError, match=r"rpi5.toml: networks.mine: unknown key 'count_layer'"):
        read_device(wrong)
