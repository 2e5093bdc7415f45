"""``autoscale train``: what it writes, what it says, and what Ctrl-C leaves."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sb3_contrib")
pytest.importorskip("sklearn")

import typer
from typer.testing import CliRunner

from autoscale.agents.policies import load_policy
from autoscale.errors import AutoScaleError
from autoscale_envs.training.train_command import train_command
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters
from tests.waiting import until

SMALL = ("--device", "mi8pro", "--scenario", "d3", "--networks", "mobilenet-v2,resnet-50")


def run(*arguments: object) -> str:
    """What it prints.

    Raises:
        AutoScaleError: what the command raised.
    """
    app = typer.Typer()
    app.command()(train_command)
    result = CliRunner().invoke(app, [*SMALL, *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def train_json(*arguments: object) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(run(*arguments, "--json"))
    return printed


@pytest.mark.parametrize(
    ("agent", "queries", "name"), [("q-learning", 300, "q-learning"), ("lr", 60, "lr"), ("ppo", 2048, "frozen")]
)
def test_it_writes_a_policy_that_loads(agent: str, queries: int, name: str, tmp_path: Path) -> None:
    out = tmp_path / "policy.npz"
    printed = train_json("--agent", agent, "--queries", queries, "--out", out)
    assert (printed["training"]["scenario"], printed["queries"], printed["policy"]) == ("D3", queries, str(out))
    assert "queries" not in printed["training"]  # those of an episode, which were read as how many trained it
    assert printed["queries_per_s"] > 0.0
    assert load_policy(out, make_parameters(WorldOptions()).targets).name == name
    assert [each.name for each in tmp_path.iterdir()] == ["policy.npz"]


def test_people_read_a_line(tmp_path: Path) -> None:
    assert "corrector: 200 queries, " in run("--queries", 200, "--out", tmp_path / "policy.npz")


def test_a_checkpoint_goes_on_and_a_policy_starts_another_device(tmp_path: Path) -> None:
    out = tmp_path / "policy.npz"
    table = ("--agent", "q-learning")
    run(*table, "--queries", 2000, "--checkpoint-every", 1000, "--out", out)
    whole = load_policy(out).state()["table"]
    run(*table, "--queries", 2000, "--resume", tmp_path / "policy.checkpoint.npz", "--out", out)
    assert (load_policy(out).state()["table"] == whole).all()
    other = train_json(*table, "--device", "s10e", "--queries", 100, "--from", out, "--out", tmp_path / "other.npz")
    assert other["training"]["device"] == "s10e"
    learned = (load_policy(tmp_path / "other.npz").state()["table"] < -0.02).sum()
    assert learned > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--device", "mi8prx"), r"unknown device 'mi8prx' \(did you mean 'mi8pro'\?\)"),
        (("--scenario", "D9"), r"unknown scenario 'D9'"),
        (("--agent", "dqm"), r"unknown agent to train 'dqm' \(did you mean 'dqn'\?\)"),
        (("--networks", "resnet"), r"unknown network 'resnet'"),
        (("--out", "nowhere/policy.npz"), r"the folder nowhere does not exist"),
        (("--resume", "nothing.npz"), r"checkpoint nothing.npz does not exist"),
        (("--from", "nothing.npz"), r"policy nothing.npz does not exist"),
        (("--hidden-sigma", "-1"), r"hidden_sigma is -1.0"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(AutoScaleError, match=message):
        run(*arguments)


def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    program = "import typer; from autoscale_envs.training.train_command import train_command; typer.run(train_command)"
    out, checkpoint = tmp_path / "policy.npz", tmp_path / "policy.checkpoint.npz"
    command = [sys.executable, "-c", program, *SMALL, "--queries", "10000000", "--checkpoint-every", "500"]
    process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, text=True)
    until(checkpoint.exists)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60.0)
    assert process.returncode == 130
    assert f"go on with --resume {checkpoint}" in printed
    assert [each.name for each in tmp_path.iterdir()] == [checkpoint.name]
    done = int(printed.split()[2])
    assert train_json("--queries", done + 100, "--resume", checkpoint, "--out", out)["queries"] == done + 100


def test_targets_are_those_of_a_session(tmp_path: Path) -> None:
    out = tmp_path / "policy.npz"
    printed = train_json(
        "--settings",
        "threads",
        "--remotes",
        "cloud:cpu/fp32=gpu-server",
        "--links",
        "cloud=lte",
        "--queries",
        100,
        "--out",
        out,
    )
    assert printed["training"]["remotes"] == {"cloud:cpu/fp32": "gpu-server"}
    assert printed["training"]["links"] == {"cloud": "lte"}
    assert [str(each) for each in load_policy(out).targets] == [
        *(f"device:cpu/{precision}@{count}t" for precision in ("fp32", "int8") for count in (1, 2, 4)),
        *("device:gpu/fp32", "device:gpu/fp16", "device:npu/int8", "cloud:cpu/fp32"),
    ]
    assert train_json("--remotes", "none", "--queries", 100, "--out", out)["training"]["remotes"] == {}
    assert not any(target.is_remote for target in load_policy(out).targets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--settings", "thread"), "threads"),
        (("--remotes", "cloud"), "cloud=gpu-server"),
        (("--remotes", "clod=gpu-server"), "'clod' is no remote"),
        (("--remotes", "cloud=gpu-server", "--links", "edge=lte"), "unknown link 'edge'"),
        (("--remotes", "cloud=gpu-servr"), "gpu-server"),
    ],
)
def test_targets_that_cannot_be_are_named(arguments: tuple[str, str], message: str) -> None:
    with pytest.raises(AutoScaleError, match=message):
        run(*arguments)
