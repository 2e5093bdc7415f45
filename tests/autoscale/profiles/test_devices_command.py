"""``autoscale devices`` as a script and as a person calls it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from autoscale.errors import UnknownName
from autoscale.profiles import device_names, link_names
from autoscale.profiles.devices_command import devices


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
