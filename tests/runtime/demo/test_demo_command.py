"""``autoscale demo``, as a user types it: a short day on the real networks, and what is refused before it begins."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autoscale.errors import ModelError
from autoscale.query.target import Target
from autoscale_runtime.demo.networks import fetch

PNG = b"\x89PNG\r\n\x1a\n"
POLICIES = {"device-cpu-fp32", "cloud", "device-best", "static-best", "autoscale", "clairvoyant"}
DAY = {
    *("queries", "lost", "policies", "static_best", "energy_over_static_best", "energy_over_clairvoyant"),
    *("learning_j", "phases"),
}
FEW = ["file-type", "text-line"]
"""The large network alone would take most of the time."""


def autoscale(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-c", "from autoscale.cli import main; main()", *arguments]
    plain = {**os.environ, "NO_COLOR": "1", "TERMINAL_WIDTH": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder, env=plain, check=False)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple["subprocess.CompletedProcess[str]", Path]:
    try:
        for name in FEW:
            fetch(name)
    except ModelError as error:
        pytest.skip(f"the demonstration's networks cannot be had: {error}")
    folder = tmp_path_factory.mktemp("demo")
    options = ["--queries", "12", "--json", "day.json", "--picture", "day.png"]
    return autoscale("demo", *options, *(f"--network={name}" for name in FEW), folder=folder), folder


@pytest.fixture(scope="module")
def document(ran: tuple["subprocess.CompletedProcess[str]", Path]) -> dict[str, Any]:
    process, folder = ran
    assert process.returncode == 0, process.stderr
    document: dict[str, Any] = json.loads((folder / "day.json").read_text())
    return document


def test_the_document_is_as_scripts_expect_it(document: dict[str, Any]) -> None:
    assert document.keys() == {"method", "setup_j", "limits_s", "decision_us", "recorded", *DAY}
    assert document["recorded"].keys() == DAY
    assert (document["queries"], document["lost"]) == (12, 0)
    assert min(document["setup_j"], document["learning_j"]) > 0.0
    assert sum(each["queries"] for each in document["phases"]) == 12
    assert (document["recorded"]["queries"], document["recorded"]["lost"]) == (2, 0)
    assert all(limit_s >= 0.05 for limit_s in document["limits_s"].values())
    assert [*document["limits_s"]] == FEW
    assert "energy modelled" in document["method"]
    assert "'mi8pro'" in document["method"]
    assert document["decision_us"].keys() == {"select_p50", "learn_p50"}
    assert all(value > 0.0 for value in document["decision_us"].values())
    assert document["policies"].keys() == document["recorded"]["policies"].keys() == POLICIES
    for policy in (*document["policies"].values(), *document["recorded"]["policies"].values()):
        targets = policy["targets"]
        assert all(energy_j > 0.0 for energy_j in policy["network_energy_j_per_query"].values())
        figures = {
            name: value for name, value in policy.items() if name not in ("targets", "network_energy_j_per_query")
        }
        assert figures.keys() == {
            *("energy_j_per_query", "ppw", "latency_p50_s", "latency_p95_s", "late_fraction"),
            *("accuracy", "carbon_g_per_query"),
        }
        assert all(isinstance(value, float) and math.isfinite(value) for value in figures.values())
        assert policy["energy_j_per_query"] > 0.0
        assert 0.0 < policy["latency_p50_s"] <= policy["latency_p95_s"]
        assert 0.0 <= policy["late_fraction"] <= 1.0
        assert 0.8 <= policy["accuracy"] <= 1.0
        assert sum(targets.values()) == pytest.approx(1.0)
        for target in targets:
            assert str(Target.parse(target)) == target


def test_the_fixed_policies_are_what_they_are_called(document: dict[str, Any]) -> None:
    policies = document["policies"]
    assert policies["device-cpu-fp32"]["ppw"] == 1.0
    assert [target.partition("@")[0] for target in policies["device-cpu-fp32"]["targets"]] == ["device:cpu/fp32"]
    assert all(target.startswith("device:") for target in policies["device-best"]["targets"])
    assert any(target.startswith("cloud:") for target in policies["cloud"]["targets"])


def test_hindsight_is_never_dearer_than_what_it_looks_back_on(document: dict[str, Any]) -> None:
    for day in (document, document["recorded"]):
        energy_j = {name: policy["energy_j_per_query"] for name, policy in day["policies"].items()}
        assert energy_j["static-best"] <= min(energy_j["device-best"], energy_j["cloud"]) * (1 + 1e-9)
        assert energy_j["device-best"] <= energy_j["device-cpu-fp32"] * (1 + 1e-9)
        assert day["energy_over_static_best"] == pytest.approx(energy_j["autoscale"] / energy_j["static-best"])


def test_a_picture_lies_beside_it_and_nothing_half_written(
    ran: tuple["subprocess.CompletedProcess[str]", Path], document: dict[str, Any]
) -> None:
    process, folder = ran
    assert (folder / "day.png").read_bytes().startswith(PNG)
    assert sorted(each.name for each in folder.iterdir()) == ["day.json", "day.png"]
    # A processor without int8 dot products may saturate in int8: then a session says that it leaves the target out.
    assert [line for line in process.stderr.splitlines() if "int8@1t is left out: its answer has" not in line] == []
    for words in ("power table 'mi8pro'", "Apache-2.0", "latency measured; energy modelled", *POLICIES):
        assert words in " ".join(process.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--agent", "q-lerning"], "did you mean 'q-learning'"),
        (["--power-table", "mi8"], "did you mean 'mi8pro'"),
        (["--network", "text-pages"], "did you mean 'text-page'"),
        (["--queries", "5"], "6"),
        (["--queries", "many"], "--queries"),
        (["--json", "none/day.json"], "'none' does not exist"),
        (["--picture", "none/day.png"], "'none' does not exist"),
        (["--json", "."], "it is a folder"),
        (["--speed", "9"], "No such option"),
    ],
)
def test_what_is_refused_is_refused_at_once(arguments: list[str], message: str, tmp_path: Path) -> None:
    process = autoscale("demo", *arguments, folder=tmp_path)
    assert process.returncode == 2
    assert message in " ".join(process.stderr.split())
    assert "Traceback" not in process.stderr
    assert list(tmp_path.iterdir()) == []
