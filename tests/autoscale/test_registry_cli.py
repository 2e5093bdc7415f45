"""Registries find names, the command line finds commands, and a user's mistake is one line and exit code 2."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from autoscale.agents.base import AGENTS
from autoscale.agents.fixed import Cloud, Pinned
from autoscale.errors import MissingExtra, UnknownName
from autoscale.registry import Registry

ENTRY_POINTS = """
[autoscale.agents]
toy-agent = autoscale.agents.fixed:Cloud
[autoscale.commands]
toy-complain = toy_commands:complain
toy-greet = toy_commands:greet
toy-read = toy_commands:read
"""
COMMANDS = '''
from pathlib import Path
from autoscale.errors import InvalidGoal

def complain() -> None:
    """Always wrong."""
    raise InvalidGoal("latency_s is nan")

def greet(name: str) -> None:
    """Say hello."""
    print(f"hello {name}")

def read(path: Path) -> None:
    """Read a file."""
    path.read_bytes()
'''


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds an installed package with an agent and three commands."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "toy_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "toy_commands.py").write_text(COMMANDS)
    return folder


def run(folder: Path, *arguments: str, encoding: str | None = None) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); from autoscale.cli import main; main()"
    return subprocess.run(
        (sys.executable, "-c", code, *arguments), capture_output=True, text=True, encoding=encoding, timeout=60
    )


def test_a_registry_imports_when_asked() -> None:
    names = Registry("thing", {"path": "pathlib:Path", "absent": "no_such_module:X"}, group="autoscale.no-such-group")
    assert names.names() == ["absent", "path"]
    assert names.get("path") is Path


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown agent 'clout' \(did you mean 'cloud'\?\); allowed: 'bo', 'cl"):
        AGENTS.get("clout")
    with pytest.raises(UnknownName, match=r"unknown agent 'zzzz'; allowed"):
        AGENTS.get("zzzz")


def test_another_package_can_plug_in(plugged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(plugged))
    assert "toy-agent" in AGENTS.names()
    assert AGENTS.get("toy-agent") is Cloud
    assert EntryPoint("toy-agent", "autoscale.agents.fixed:Cloud", "autoscale.agents").load() is Cloud


def test_a_plug_in_under_a_shipped_name_is_warned_of_once(
    plugged: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.syspath_prepend(str(plugged))
    registry = Registry("agent", {"toy-agent": "autoscale.agents.fixed:Pinned"}, "autoscale.agents")
    assert registry.names() == registry.names() == ["toy-agent"]
    assert registry.get("toy-agent") is Pinned
    (record,) = caplog.records
    assert "a plug-in calls itself agent 'toy-agent'" in record.getMessage()


def test_a_missing_extra_says_how_to_get_it() -> None:
    error = MissingExtra("onnx", "prepare", "inspect")
    assert "pip install 'autoscale-inference[prepare]'" in str(error)
    assert error.name == "onnx"
    assert isinstance(error, ImportError)


def test_a_command_runs(plugged: Path) -> None:
    done = run(plugged, "toy-greet", "you")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello you\n", "")


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", r"hello \xb5\u2192"), ("latin-1", r"hello µ\u2192")])
def test_what_the_terminal_has_no_character_for_is_shown_as_its_escape(
    encoding: str, shown: str, plugged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    done = run(plugged, "toy-greet", "µ→", encoding=encoding)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, shown, "")


def test_a_file_is_shown_by_its_own_bytes_whatever_they_are(plugged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")
    name = os.fsdecode(b"m\xff.onnx")
    done = run(plugged, "toy-read", name, encoding="latin-1")
    assert (done.returncode, done.stderr) == (2, "autoscale: No such file or directory: m\xff.onnx\n")


def test_help_lists_the_commands(plugged: Path) -> None:
    done = run(plugged, "--help")
    assert done.returncode == 0
    assert "toy-complain" in done.stdout
    assert "Say hello." in done.stdout


def test_a_users_mistake_is_one_line(plugged: Path) -> None:
    done = run(plugged, "toy-complain")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "autoscale: latency_s is nan\n")


@pytest.mark.parametrize("arguments", [("toy-gret",), ("toy-greet",), ("toy-greet", "--loud"), ("--nonsense",)])
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], plugged: Path) -> None:
    done = run(plugged, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Usage" in done.stderr


def test_a_file_that_cannot_be_read_is_one_line(plugged: Path) -> None:
    done = run(plugged, "toy-read", "nowhere/file")
    assert done.returncode == 2
    assert done.stderr == "autoscale: No such file or directory: nowhere/file\n"
