"""``autoscale devices`` as a script and as a person calls it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from autoscale.errors import UnknownName
from autoscale.physics.devices_command import devices
from autoscale.profiles import device_names, link_names
from autoscale.profiles.shipped import devices_folder


def call(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(devices)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    return result.stdout


def test_lists_every_device_and_link():
    listed = json.loads(call("--json"))
    assert [each["name"] for each in listed] == [*device_names(), *link_names()]
    text = call()
    assert all(name in text for name in (*device_names(), *link_names()))


def test_shows_each_figure_with_unit_method_and_source():
    shown = json.loads(call("mi8pro", "--json"))
    figures = {figure["key"]: figure for figure in shown["figures"]}
    assert len(shown["targets"]) == 61
    assert figures["gpu.busy_w"]["value"][-1] == 2.8
    assert figures["gpu.busy_w"]["unit"] == "W"
    assert figures["gpu.busy_w"]["method"] == "modelled"
    assert "710 MHz" in figures["gpu.busy_w"]["source"]
    text = call("mi8_pro")
    assert all(key in text for key in figures)
    assert "power_profile.xml" in text


def test_shows_a_link():
    assert "rate.uplink_mbps" in call("lte")
    assert json.loads(call("lte", "--json"))["radio"] == "lte"


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown device or link 'mi9pro'.*did you mean 'mi8pro'"):
        call("mi9pro")


def test_shows_what_was_measured_beside_what_the_model_says():
    rows = {(row["network"], row["target"]): row for row in json.loads(call("rk3588s", "--json"))["measured"]}
    row = rows["mobilenet-v1", "device:gpu/int8#armnn"]
    assert row["latency_s"]["low"] <= row["latency_s"]["mid"] <= row["latency_s"]["high"]
    assert row["method"] == "measured" and "MLPerf" in row["source"]
    assert 0.5 < row["model_latency_s"]["mid"] / row["latency_s"]["mid"] < 2.0
    assert 0.5 < row["model_energy_j"] / row["energy_j"]["mid"] < 2.0
    assert "mobilenet-v1" in call("rk3588s") and "ms by the model alone" in call("rk3588s")


def test_a_network_of_which_nothing_is_known_has_no_model_beside_it():
    (row,) = (each for each in json.loads(call("t4-server", "--json"))["measured"] if each["network"] == "rnnt")
    assert row["model_latency_s"] is None and row["latency_s"]["mid"] > 0.0


def test_says_which_machine_was_measured(tmp_path):
    text = (
        (devices_folder() / "rpi4.toml").read_text().replace("schema = 1\n", 'schema = 1\nfingerprint = "A, 4 cores"\n')
    )
    (tmp_path / "rpi4.toml").write_text(text)
    assert "measured on A, 4 cores" in call(str(tmp_path / "rpi4.toml"))
    shown = json.loads(call(str(tmp_path / "rpi4.toml"), "--json"))
    assert (shown["fingerprint"], shown["incomplete"]) == ("A, 4 cores", "")
