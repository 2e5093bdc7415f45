"""Files that break the schema: the message names file, key, value and what is allowed."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import ProfileError
from autoscale.profiles import device_names, link_names, load_device, load_link
from autoscale.profiles.figure import UNITS, read_figure, unit_of
from autoscale.profiles.schema import DEVICE, LINK
from autoscale.profiles.shipped import devices_folder

PHONE = """\
schema = 1
name = "mine"
title = "My phone"
kind = "phone"
[sources]
lab = "measured in my laboratory"
[power]
idle_w = { value = 0.1, source = "lab" }
[cpu]
name = "two cores"
precisions = ["fp32", "int8"]
cores = { value = 2, source = "lab" }
frequencies_mhz = { value = [500, 1000], source = "lab" }
shared_w = { value = [0.1, 0.2], source = "lab" }
core_w = { value = [0.4, 1.0], source = "lab" }
idle_w = { value = 0.01, source = "lab" }
[cpu.speed]
launch_s = { value = 1e-4, source = "lab" }
layer_s = { value = 1e-5, source = "lab" }
bandwidth_gb_per_s = { value = 10, source = "lab" }
parallel_fraction = { value = 0.9, source = "lab" }
[cpu.speed.fp32]
conv_mac_per_s = { value = 2e10, source = "lab", method = "modelled", low = 1e10, high = 3e10 }
[memory]
dram_gb = { value = 4, source = "lab" }
bandwidth_gb_per_s = { value = 20, source = "lab" }
[storage]
flash_gb = { value = 64, source = "lab" }
[embodied]
die_mm2 = { value = 100, source = "lab" }
node_nm = { value = 7, source = "lab" }
total_kg = { value = 50, source = "lab", low = 30, high = 70 }
lifetime_years = { value = 3, source = "lab" }
"""

WRONG = {
    "half a core": ("cores = { value = 2,", "cores = { value = 2.5,", r"cpu\.cores: value is 2\.5; .*a whole number"),
    "endless cores": ("cores = { value = 2,", "cores = { value = 1e9,", r"a whole number in cores, 1 to 1e\+06"),
    "a precision twice": ('["fp32", "int8"]', '["fp32", "fp32"]', r"cpu\.precisions is .*; allowed: each once"),
    "missing key": ("core_w = {", "# {", r"'cpu\.core_w' is missing"),
    "missing table": ("[storage]\nflash_gb", "[memory2]\nflash_gb", r"unknown key 'memory2'.*did you mean 'memory'"),
    "unknown key": ("layer_s =", "layers_s =", r"unknown key 'layers_s' in \[cpu\.speed\].*did you mean 'layer_s'"),
    "no unit": (
        "idle_w = { value = 0.1",
        "idle = { value = 0.1",
        r"unknown key 'idle' in \[power\].*did you mean 'idle_w'.*ends in its unit",
    ),
    "bare number": ('idle_w = { value = 0.1, source = "lab" }', "idle_w = 0.1", r"power\.idle_w is 0\.1.*value = "),
    "negative": ("[0.4, 1.0]", "[-0.4, 1.0]", r"cpu\.core_w: value\[0\] is -0\.4; allowed: a number in W, 0 or more"),
    "an empty battery": (
        "[power]",
        '[power]\nbattery_wh = { value = 0, source = "lab" }',
        r"power\.battery_wh: value is 0; allowed: a number in Wh, 1e-06 or more",
    ),
    "not a number": ("value = 0.01", "value = nan", r"cpu\.idle_w: value is nan"),
    "infinite": ("value = 0.01", "value = inf", r"cpu\.idle_w: value is inf"),
    "text for a number": ("value = 0.01", 'value = "0.01"', r"cpu\.idle_w: value is '0\.01'"),
    "true for a number": ("value = 0.01", "value = true", r"cpu\.idle_w: value is True"),
    "unknown source": ('0.01, source = "lab"', '0.01, source = "labs"', r"unknown source in .*'labs'.*'lab'"),
    "no source": ('value = 0.01, source = "lab"', "value = 0.01", r"cpu\.idle_w has no 'source'"),
    "unknown method": ('"modelled"', '"modeled"', r"unknown method.*'modeled'.*did you mean 'modelled'"),
    "unknown field": ("value = 0.01,", "value = 0.01, hi = 2,", r"cpu\.idle_w has an unknown field 'hi'"),
    "lengths disagree": ("[0.4, 1.0]", "[0.4, 0.7, 1.0]", r"cpu\.core_w has 3 numbers; allowed: 2.*frequencies_mhz"),
    "number for an array": ("[0.1, 0.2]", "0.1", r"cpu\.shared_w is 0\.1; allowed: an array"),
    "array for a number": ("value = 64", "value = [64]", r"storage\.flash_gb is .*allowed: one number"),
    "empty array": ("[0.1, 0.2]", "[]", r"cpu\.shared_w: value is empty"),
    "steps that fall": ("[500, 1000]", "[1000, 500]", r"cpu\.frequencies_mhz is .*allowed: rising"),
    "power that falls": ("[0.4, 1.0]", "[1.0, 0.4]", r"the power of cpu falls"),
    "range without the value": ("low = 30", "low = 60", r"embodied\.total_kg is 50, outside its range 60 to 70"),
    "half a range": ("low = 30, ", "", r"embodied\.total_kg has one end of a range"),
    "no range": (", low = 30, high = 70", "", r"embodied\.total_kg has no range"),
    "default without a range": (
        'value = 4, source = "lab"',
        'value = 4, source = "lab", method = "default"',
        r"memory\.dram_gb is a default without a range",
    ),
    "range of another length": (
        '[0.1, 0.2], source = "lab"',
        '[0.1, 0.2], source = "lab", low = 0.1, high = 0.3',
        r"cpu\.shared_w: low, value and high have 1, 2, 1 numbers",
    ),
    "unknown precision": ('"int8"', '"it8"', r"unknown precision.*'it8'.*did you mean 'int8'"),
    "unknown kind": ('kind = "phone"', 'kind = "phne"', r"unknown kind.*'phne'.*did you mean 'phone'"),
    "another name": ('name = "mine"', 'name = "yours"', r"name is 'yours'; allowed: 'mine'"),
    "another schema": ("schema = 1", "schema = 2", r"schema is 2; allowed: 1"),
    "no sources": ('[sources]\nlab = "measured in my laboratory"', "", r"\[sources\] is missing"),
    "not a text": ('title = "My phone"', "title = 7", r"title is 7; allowed: text"),
    "not a table": ("schema = 1", "schema = 1\nradios = 3", r"radios is 3; allowed: a table \[radios\]"),
    "not TOML": ("[power]", "[power", r"is not TOML"),
}


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_ones_own_loads(tmp_path):
    phone = load_device(write(tmp_path, PHONE))
    cpu = phone.processors["cpu"]
    assert phone.idle_w == 0.1
    assert phone.battery_wh is None
    assert not phone.radios
    assert cpu.busy_w(2, 750e6) == pytest.approx(0.15 + 2 * 0.7)
    assert cpu.speed is not None
    assert cpu.speed.mac_per_s == {"fp32": {"conv": 2e10}}
    assert cpu.speed.bandwidth_bytes_per_s == 10e9
    assert len(phone.targets()) == 4
    assert phone.source_of("cpu.speed.fp32.conv_mac_per_s").high == 3e10


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_says_what_is_wrong(case, tmp_path):
    right, wrong, message = WRONG[case]
    assert right in PHONE
    path = write(tmp_path, PHONE.replace(right, wrong, 1))
    with pytest.raises(ProfileError, match=message) as caught:
        load_device(str(path))
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ProfileError, match="nowhere"):
        load_device(tmp_path / "nowhere.toml")


def test_a_device_is_not_a_link(tmp_path):
    with pytest.raises(ProfileError, match="unknown key"):
        load_link(write(tmp_path, PHONE))


@pytest.mark.parametrize("name", [*device_names(), *link_names()])
def test_every_bare_number_in_a_shipped_file_is_refused(name, tmp_path):
    folder = devices_folder() / ("links" if name in link_names() else "")
    text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    stripped = re.sub(r"= \{ value = ([0-9.]+),[^}]*\}", r"= \1", text, count=1)
    assert stripped != text
    path = tmp_path / f"{name}.toml"
    path.write_text(stripped, encoding="utf-8")
    with pytest.raises(ProfileError, match=r"allowed: \{ value"):
        (load_link if name in link_names() else load_device)(path)


def test_a_figure_whose_key_has_no_unit_is_refused():
    with pytest.raises(ProfileError, match=r"file: idle has no unit; a key ends in one of: .*'w'"):
        read_figure("file", "idle", {"value": 1.0, "source": "lab"}, {"lab": "here"})


def test_every_key_of_the_schema_ends_in_a_unit():
    for schema in (DEVICE, LINK):
        for table in schema.values():
            assert all(unit_of(key) is not None for key in table.figures)


@given(key=st.sampled_from(sorted(UNITS)), value=st.floats(allow_nan=True, allow_infinity=True))
def test_a_figure_is_read_if_and_only_if_its_unit_allows_it(key, value):
    unit = UNITS[key]
    entry = {"value": value, "source": "lab"}
    is_one = abs(value) != float("inf") and (not unit.is_count or value.is_integer())
    if unit.least <= value <= unit.most and is_one:
        assert read_figure("file", f"x_{key}", entry, {"lab": "here"}).value == value
    else:
        with pytest.raises(ProfileError, match=r"allowed: a (whole )?number in"):
            read_figure("file", f"x_{key}", entry, {"lab": "here"})
