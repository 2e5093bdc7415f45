"""``autoscale evaluate`` as a user meets it."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from autoscale.agents.base import make_agent
from autoscale.agents.policies import save_policy
from autoscale.errors import AutoScaleError, InvalidInput, PolicyError
from autoscale.profiles.shipped import devices_folder
from autoscale_envs.evaluation import pool
from autoscale_envs.evaluation.contestants import EDGE, makers
from autoscale_envs.evaluation.evaluate_command import evaluate
from autoscale_envs.evaluation.plan import Cell, Plan
from autoscale_envs.evaluation.report import rows
from autoscale_envs.evaluation.rollout import Result as CellResult
from autoscale_envs.evaluation.rollout import rollout
from autoscale_envs.evaluation.running import collect
from autoscale_envs.progress import INTERRUPTED
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters

QUICK = ("--device", "s10e", "--networks", "mobilenet-v2", "--seeds", "2", "--queries", "10", "--jobs", "1")
AGENTS = ("--agents", "corrector")


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, [*QUICK, *AGENTS, *arguments])


def test_it_prints_the_table_beside_the_papers_figures() -> None:
    result = run("--scenario", "s1,D3")
    assert result.exit_code == 0, result.output
    for text in ("s10e, S1", "s10e, D3", "corrector", "opt", "9.8x", "1.6x", "97.9 %", "40 to 50"):
        assert text in result.output


def test_it_judges_agents_on_the_targets_of_a_session(tmp_path: Path) -> None:
    options = WorldOptions(device="s10e", settings="threads", remotes={"cloud": "gpu-server"})
    save_policy(make_agent("q-learning", make_parameters(options).targets), tmp_path / "policy.npz")
    asked = ("--settings", "threads", "--remotes", "cloud=gpu-server", "--policy", f"mine={tmp_path / 'policy.npz'}")
    result = run("--scenario", "S1", *asked, "--json", "-")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert {*row["agents"]} == {"opt", "device-cpu-fp32", "cloud", "corrector", "mine"}
    with pytest.raises(InvalidInput, match="no remote is in the cloud"):
        Plan(remotes={"edge": "tab-s6"})
    assert EDGE not in makers(replace(Plan(), remotes={"cloud": "gpu-server"}), Plan().cells()[0])


def test_links_are_named_or_files_as_a_calibration_writes_them() -> None:
    file = devices_folder() / "links" / "lte.toml"
    usual, named, read = (
        json.loads(run("--scenario", "S1", "--json", "-", *links).stdout)[0]["agents"]["cloud"]["ppw_vs_cpu_fp32"]
        for links in ((), ("--links", "cloud=lte"), ("--links", f"cloud={file}"))
    )
    assert named == read < usual


def test_it_writes_rows_table_and_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    files = {name: tmp_path / f"out.{name}" for name in ("json", "csv", "plot")}
    result = run("--scenario", "S1", *(text for name, path in files.items() for text in (f"--{name}", str(path))))
    assert result.exit_code == 0, result.output
    (row,) = json.loads(files["json"].read_text())
    assert (row["device"], row["scenario"], row["seeds"], row["queries"], row["warm_up"]) == ("s10e", "S1", 2, 10, 5)
    lines = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert [line["agent"] for line in lines] == [*row["agents"]]
    assert float(lines[1]["ppw_vs_cpu_fp32"]) == row["agents"][lines[1]["agent"]]["ppw_vs_cpu_fp32"]
    assert files["plot"].read_bytes().startswith(b"\x89PNG")
    assert sorted(tmp_path.iterdir()) == sorted(files.values()), "nothing temporary is left"


def test_json_to_standard_output_is_json_alone() -> None:
    result = run("--scenario", "S1", "--json", "-")
    (row,) = json.loads(result.stdout)
    assert row["agents"]["opt"]["gap_to_oracle"] == 0.0


def test_an_agent_of_ones_own_takes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from autoscale import Agent, Choice\n\n\n"
        "class First(Agent):\n    name = 'first'\n\n"
        "    def select(self, context):\n        return Choice(int(context.admitted[0]), 1.0)\n"
    )
    monkeypatch.chdir(tmp_path)
    result = run("--scenario", "S1", "--agents", "mine:First", "--json", "-")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert [*row["agents"]["mine:First"]["places"]] == ["device:cpu"]


def test_an_agent_of_ones_own_answers_for_what_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "Beyond": ("Choice(99, 1.0)", "chose 99; allowed: 0 to "),
        "Before": ("Choice(-1, 1.0)", "chose -1; allowed: 0 to "),
        "Bare": ("0", "chose 0; allowed: a Choice"),
        "Raises": ("1 / 0", "raised ZeroDivisionError: division by zero"),
    }
    (tmp_path / "evil.py").write_text(
        "from autoscale import Agent, Choice\n"
        + "".join(
            f"class {kind}(Agent):\n    name = 'evil'\n    def select(self, context):\n        return {answer}\n"
            for kind, (answer, _) in answers.items()
        )
    )
    row = "device,network,target,latency_s,energy_j\ns10e,mobilenet-v2,device:cpu/fp32,0.1,0.2\n"
    (tmp_path / "table.csv").write_text(row)
    monkeypatch.chdir(tmp_path)
    for kind, (_, message) in answers.items():
        for where in (("--scenario", "S1"), ("--measured", "table.csv")):
            failed = run(*where, "--agents", f"evil:{kind}")
            assert f"agent 'evil:{kind}' {message}" in str(failed.exception)


def test_a_limit_makes_answers_late() -> None:
    fast, slow = (
        json.loads(run("--scenario", "S1", "--json", "-", "--latency-limit-s", s).stdout) for s in ("9", "1e-6")
    )
    assert (fast[0]["agents"]["cloud"]["late_fraction"], slow[0]["agents"]["cloud"]["late_fraction"]) == (0.0, 1.0)


def test_every_column_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output = run("--scenario", "S1", "--agents", "q-learning-greedy,connected-edge").output
    (head,) = {line for line in output.splitlines() if line.startswith(" agent") and "settled" in line}
    assert all(column in head for column in ("vs CPU", "vs cloud", "right", "excess", "late", "settled", "us"))


def test_spellings_of_one_name_are_one_cell() -> None:
    plain, spelled = (
        json.loads(run("--scenario", "S1", "--json", "-", "--device", device).stdout) for device in ("s10e", "S10E")
    )
    assert plain[0]["agents"]["corrector"]["gap_to_oracle"] == spelled[0]["agents"]["corrector"]["gap_to_oracle"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--device", "mi8por"), "did you mean 'mi8pro'"),
        (("--scenario", "S1,D9"), "unknown scenario 'D9'"),
        (("--networks", "mobilenet"), "unknown network 'mobilenet'"),
        (("--agents", "correctr"), "did you mean 'corrector'"),
        (("--seeds", "0"), "seeds is 0; allowed: 1 or more"),
        (("--jobs", "0"), "jobs is 0; allowed: 1 or more"),
        (("--policy", "dqn"), "allowed: NAME=FILE"),
        (("--policy", "dqn=missing.npz"), "missing.npz does not exist"),
        (("--min-accuracy", "7"), "min_accuracy is 7"),
        (("--latency-limit-s", "-1"), "latency_s is -1"),
        (("--hidden-shares", "processor"), "allowed: as in processor=0.6,network=0.4"),
        (("--hidden-shares", "processor=0.6"), "hidden_shares sum to 0.6"),
        (("--scenario", "mine.toml"), "mine.toml cannot be read"),
        (("--links", "clod=lte"), "unknown link 'clod' (did you mean 'cloud'?)"),
        (("--links", "cloud=lte", "--remotes", "none"), "link 'cloud' leads to no remote, since there are none"),
        (("--links", "cloud=mine.toml"), "mine.toml cannot be read"),
        (("--links", "cloud=lte", "--measured", "boards.csv"), "--links is of the simulator"),
        (("--profile", "mi8pro"), "--profile is told with --measured"),
        (("--agents", "no_such_module:Mine"), "No module named 'no_such_module'"),
        (("--agents", "json:loads"), "allowed: a subclass of autoscale.Agent"),
        (("--agents", "json:JSONDecoder"), "allowed: a subclass of autoscale.Agent"),
        (("10.0.0.1:6379",), "with --ray only"),
    ],
)
def test_bad_input_is_named(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, AutoScaleError)
    assert message in str(result.exception)


@pytest.mark.parametrize("option", ["--json", "--csv", "--plot"])
def test_a_file_that_cannot_be_written_is_reported_before_the_run(option: str, tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "out", tmp_path):
        result = run("--seeds", "100000", option, str(path))
        assert isinstance(result.exception, OSError)
        assert str(path) in str(result.exception)


def test_without_a_cluster_ray_says_so() -> None:
    pytest.importorskip("ray")
    result = run("--ray", "127.0.0.1:1")
    assert isinstance(result.exception, AutoScaleError)
    assert "127.0.0.1:1" in str(result.exception)


def interrupted(arguments: Sequence[str], after: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a terminal's manner, and press Ctrl-C when its progress names ``after``."""
    code = "import typer\nfrom autoscale_envs.evaluation.evaluate_command import evaluate\ntyper.run(evaluate)"
    environment = {**os.environ, "TTY_COMPATIBLE": "1", "COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
    ) as process:
        seen = ""
        assert process.stderr is not None
        while after not in seen and (more := process.stderr.read(64)):
            seen += more
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, output, seen + errors)


def test_an_error_keeps_what_was_finished_before_it(tmp_path: Path) -> None:
    """A policy whose file is spoiled while the grid is under way."""
    policy = tmp_path / "mine.npz"
    save_policy(make_agent("cloud", make_parameters(WorldOptions(device="s10e")).targets), policy)
    plan = Plan(devices=("s10e",), scenarios=("S1", "S2"), networks=("mobilenet-v2",), agents=("cloud",), seeds=2)
    plan = replace(plan, policies={"mine": str(policy)}, queries=5, warm_up=0)

    def spoiled() -> pool.Finished[Cell, dict[str, CellResult]]:
        first, second = plan.cells()
        yield first, rollout(plan, first)
        policy.write_bytes(b"spoiled")
        yield second, rollout(plan, second)

    results, problem = collect(spoiled(), plan.cells())
    assert isinstance(problem, PolicyError)
    assert [row["scenario"] for row in rows(plan, results)] == ["S1"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_is_finished_and_says_so(jobs: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    arguments = (*QUICK[:-1], jobs, *AGENTS, "--seeds", "10", "--queries", "300", "--json", str(file))
    # Whichever cell is shown first: with two jobs the bar may pass over any of them.
    done = interrupted(arguments, after="mobilenet-v2")
    assert done.returncode == INTERRUPTED, done.stderr
    kept = json.loads(file.read_text())
    assert 0 < len(kept) < 9
    assert f"{len(kept)} finished rows kept" in done.stdout
    assert f"mean over {len(kept)} finished cells of 9" in done.stdout
    assert "Traceback" not in done.stderr
