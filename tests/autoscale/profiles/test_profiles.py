"""The devices and links that ship: what they hold, and that their powers behave."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import InvalidInput, UnknownName
from autoscale.profiles import device_names, link_names, load_device, load_link
from autoscale.profiles.networks import load_network
from autoscale.query.outcome import Method
from autoscale.query.target import Target

DEVICES = {name: load_device(name) for name in device_names()}
LINKS = {name: load_link(name) for name in link_names()}
PROCESSORS = [(name, kind) for name, device in DEVICES.items() for kind in device.processors]
RADIOS = {
    **{f"{name}.{radio}": each for name, device in DEVICES.items() for radio, each in device.radios.items()},
    **{name: link.radio for name, link in LINKS.items()},
}
PAPER = {"mi8pro": (23, 7, 5.5, 2.8), "s10e": (21, 9, 5.6, 2.4), "moto-x-force": (15, 6, 3.6, 2.0)}
POWER_PROFILES = Path(__file__).resolve().parents[4] / "shared" / "data" / "power_profiles"


def test_ships_the_papers_devices_and_todays():
    assert {"mi8pro", "s10e", "moto-x-force", "tab-s6", "xeon-p100"} <= DEVICES.keys()
    assert {"pixel9", "pixel10", "galaxy-s25", "laptop", "gpu-server"} <= DEVICES.keys()
    assert {"rpi4", "rpi5", "rk3588s", "odroid-n2plus", "jetson-xavier", "jetson-xavier-nx"} <= DEVICES.keys()
    assert {"t4-server", "a2-server", "a30-server", "a100-server"} <= DEVICES.keys()
    assert set(LINKS) == {"wifi", "wifi-direct", "lte", "5g-low", "5g-mmwave"}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_steps_and_peak_watts(name):
    cpu_steps, gpu_steps, cpu_w, gpu_w = PAPER[name]
    cpu, gpu = DEVICES[name].processors["cpu"], DEVICES[name].processors["gpu"]
    assert (len(cpu.frequencies_hz), len(gpu.frequencies_hz)) == (cpu_steps, gpu_steps)
    assert cpu.busy_w(cpu.cores) == pytest.approx(cpu_w, rel=0.002)
    assert gpu.busy_w() == pytest.approx(gpu_w, rel=0.002)


def test_mi8pro_has_the_papers_61_local_targets():
    targets = DEVICES["mi8pro"].targets()
    assert len(targets) == len(set(targets)) == 61
    assert Target.parse("device:cpu/int8@1766.4MHz") in targets
    assert Target.parse("device:npu/int8") in targets


@pytest.mark.parametrize("name", DEVICES)
def test_targets_print_and_parse_back(name):
    assert all(Target.parse(str(target)) == target for target in DEVICES[name].targets())


@pytest.mark.parametrize(("name", "kind"), PROCESSORS)
def test_power_rises_with_frequency_and_threads(name, kind):
    processor = DEVICES[name].processors[kind]
    steps = processor.frequencies_hz or (1,)
    power = np.array([[processor.busy_w(threads, step) for step in steps] for threads in range(processor.cores + 2)])
    assert (np.diff(power, axis=1)[1:] > 0).all()
    assert (np.diff(power[: processor.cores + 1], axis=0) >= 0).all()
    assert (power[0] == 0).all()
    assert (power[-1] == power[-2]).all()
    assert processor.busy_w(processor.cores) == power[-1, -1]


@given(data=st.data())
def test_power_between_two_steps_lies_between_theirs(data):
    processor = DEVICES["mi8pro"].processors["cpu"]
    steps = processor.frequencies_hz
    low, high = sorted(data.draw(st.lists(st.floats(steps[0], steps[-1]), min_size=2, max_size=2)))
    threads = data.draw(st.integers(1, 8))
    assert 0 < processor.busy_w(threads, low) <= processor.busy_w(threads, high) <= 5.5


@pytest.mark.parametrize("name", RADIOS)
@given(rssi_dbm=st.floats(-130, -30))
def test_a_radio_draws_no_less_where_the_signal_is_weak(name, rssi_dbm):
    radio = RADIOS[name]
    for base_at in (radio.tx_base_at, radio.rx_base_at):
        assert base_at(rssi_dbm) >= base_at(radio.rssi_dbm[-1]) - 1e-9
        np.testing.assert_array_equal(base_at(np.array([rssi_dbm, -60.0])), [base_at(rssi_dbm), base_at(-60.0)])


@pytest.mark.parametrize("name", LINKS)
def test_links_are_slower_where_the_signal_is_weak(name):
    link = LINKS[name]
    signals = np.linspace(-125.0, -45.0, 81)
    assert (np.diff(link.uplink_bps(signals)) >= 0).all()
    assert (np.diff(link.downlink_bps(signals)) >= 0).all()
    assert link.uplink_bps(-120.0) < link.uplink_bps(-60.0)
    assert link.round_trip_s > 0


@pytest.mark.parametrize("profile", [*DEVICES.values(), *LINKS.values()], ids=[*DEVICES, *LINKS])
def test_every_figure_says_where_it_comes_from(profile):
    for key, figure in profile.figures.items():
        assert profile.source_of(key) is figure
        assert len(figure.source) > 20
        assert figure.unit
        assert figure.method is not Method.DEFAULT or figure.low is not None


@pytest.mark.parametrize("name", DEVICES)
def test_embodied_carbon_has_a_range_and_a_life(name):
    embodied = DEVICES[name].embodied
    assert 0 < embodied.low_kg <= embodied.total_kg <= embodied.high_kg
    assert embodied.lifetime_s > 365 * 24 * 3600


@pytest.mark.parametrize("spelling", ["moto-x-force", "moto_x_force", "MotoXForce"])
def test_other_spellings_load_the_same(spelling):
    assert load_device(spelling).name == "moto-x-force"


@pytest.mark.parametrize("load", [load_device, load_link, load_network])
def test_a_name_is_text_or_a_path(load):
    with pytest.raises(InvalidInput, match=r"is None, of type NoneType; allowed: a name, or a \.toml file"):
        load(None)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown device 'mi8por'.*did you mean 'mi8pro'"):
        load_device("mi8por")
    with pytest.raises(UnknownName, match=r"unknown link 'wify'.*did you mean 'wifi'"):
        load_link("wify")
    with pytest.raises(UnknownName, match=r"did you mean 'cpu\.core_w'"):
        DEVICES["mi8pro"].source_of("cpu.cores_w")


def test_importing_profiles_is_light():
    heavy = "{'rich', 'typer', 'grpc', 'onnxruntime', 'onnx', 'matplotlib'}"
    code = f"import sys, autoscale.profiles; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not POWER_PROFILES.is_dir(), reason="the measured power profiles are not beside the project")
def test_mi8pro_core_is_as_its_power_profile_says():
    root = ElementTree.parse(POWER_PROFILES / "phh_Xiaomi_Mi8Pro.xml").getroot()
    tables = {each.get("name"): [float(v.text or "") for v in each] for each in root.iter("array")}
    ma_at = dict(zip(tables["cpu.speeds.cluster1"], tables["cpu.active.cluster1"], strict=True))
    cpu = DEVICES["mi8pro"].processors["cpu"]
    for step in cpu.frequencies_hz:
        assert cpu.busy_w(1, step) == pytest.approx(ma_at[step / 1e3] * 3.85e-3, rel=1e-3)
