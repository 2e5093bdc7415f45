"""The base install: what pyproject.toml asks of everyone, and no extra."""

import subprocess
import tomllib
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution, entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = [[each.name] for each in entry_points(group="autoscale.commands")]
SUBCOMMANDS = [["fleet", each.name] for each in entry_points(group="autoscale.fleet_commands")]


def needed(requirements: list[str], known: set[str]) -> Iterator[Distribution]:
    """The installed packages that requirements lead to, each once."""
    for requirement in map(Requirement, requirements):
        if requirement.name in known or not (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            continue
        known.add(requirement.name)
        found = distribution(requirement.name)
        yield found
        yield from needed(found.requires or [], known)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the project and its base dependencies, as they are installed here, and nothing else."""
    folder = tmp_path_factory.mktemp("base")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    mine = Path(str(distribution(PROJECT["name"]).locate_file("")))
    for own in mine.glob("autoscale_inference-*.dist-info"):  # the commands are found by it
        (packages / own.name).symlink_to(own)
    for each in needed(PROJECT["dependencies"], set()):
        for name in {path.parts[0] for path in each.files or ()} - {"..", "__pycache__"}:
            source = Path(str(each.locate_file(name)))
            if source.exists() and not (packages / name).exists():
                (packages / name).symlink_to(source)
    (packages / "project.pth").write_text("".join(f"{ROOT / each}\n" for each in (".", "runtime", "envs")))
    return folder / "bin" / "python"


def ask(python: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(python), "-W", "error", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=python.parent)


def test_onnx_runtime_is_of_one_extra_alone() -> None:
    """Whoever has another flavour, which owns the same files, must not get this one beside it."""
    extras = PROJECT["optional-dependencies"]
    asks = {name for name, needs in extras.items() if any(Requirement(each).name == "onnxruntime" for each in needs)}
    assert asks == {"ort"}
    assert not any(Requirement(each).name == "onnxruntime" for each in PROJECT["dependencies"])
    brings = {name for name, needs in extras.items() for each in needs if "ort" in Requirement(each).extras}
    assert brings == set()


def test_the_packages_of_extras_are_not_there(base: Path) -> None:
    for name in ("onnxruntime", "onnx", "pyarrow", "matplotlib", "gymnasium", "torch", "pytest"):
        assert "ModuleNotFoundError" in ask(base, "-c", f"import {name}").stderr, name


def test_every_command_says_what_it_is_for(base: Path) -> None:
    for command in ([], *COMMANDS, *SUBCOMMANDS):
        ran = ask(base, "-m", "autoscale", *command, "--help")
        assert (ran.returncode, ran.stderr) == (0, ""), command
        assert "Usage: autoscale" in ran.stdout.replace("python -m autoscale", "autoscale")


def test_the_runtime_is_imported_and_a_session_says_what_to_install(base: Path, tmp_path: Path) -> None:
    (tmp_path / "any.onnx").write_bytes(b"x")
    (tmp_path / "onnxruntime" / "capi").mkdir(parents=True)  # what is left where one of two flavours was removed
    script = f"""
import sys
sys.path.append({str(tmp_path)!r})
import autoscale_runtime as runtime
from autoscale.errors import MissingExtra
for name in runtime.__all__:
    getattr(runtime, name)
try:
    runtime.Session({str(tmp_path / "any.onnx")!r})
except MissingExtra as error:
    print(error)
"""
    ran = ask(base, "-c", script)
    assert ran.stderr == ""
    printed = "running .onnx files needs the package 'onnxruntime': pip install 'autoscale-inference[ort]'\n"
    assert ran.stdout == printed


def test_a_server_and_the_demonstration_say_so_too(base: Path, tmp_path: Path) -> None:
    model = tmp_path / "models" / "any" / "1" / "model.onnx"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"x")
    for command in (
        ["serve", str(tmp_path / "models"), "--port", "0"],
        ["demo"],
        ["prepare", str(model), "--calibrate", "x.npy"],
    ):
        ran = ask(base, "-m", "autoscale", *command)
        assert ran.returncode == 2, command
        assert "pip install 'autoscale-inference[" in ran.stderr, command


def test_the_simulator_needs_no_extra(base: Path) -> None:
    script = """
from autoscale import make_agent, run_query
from autoscale_envs import SimWorld, WorldOptions
world = SimWorld(WorldOptions(device="mi8pro", scenario="S1"), seed=0)
_, _, decision = run_query(world, make_agent("corrector", world.targets), None, "AUTO")
print(decision.outcome.energy_j.device > 0.0)
"""
    ran = ask(base, "-c", script)
    assert (ran.stdout, ran.stderr) == ("True\n", "")
