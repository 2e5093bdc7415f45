"""Frequency steps on a cpufreq tree as Linux shows it, put back however the process that set them ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autoscale.errors import InvalidInput
from autoscale_runtime.host.cpu_frequency import CpuFrequency
from tests.runtime.host.cpufreq_parts import LIMITS, STEPS_KHZ, Tree
from tests.waiting import until


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_step_is_held_by_every_core_and_put_back(tree: Tree) -> None:
    frequency = tree.made()
    assert frequency.why_unavailable() is None
    assert frequency.steps_hz() == [1000 * each for each in STEPS_KHZ]
    with frequency.held(1_000_000_000):
        assert tree.limits() == dict.fromkeys(LIMITS, (1_000_000, 1_000_000))
        assert tree.note.exists()
        frequency.hold(500_000_000)
        assert tree.limits() == dict.fromkeys(LIMITS, (500_000, 500_000))
    assert tree.is_back()
    frequency.let_go()
    guard = frequency._guard
    tree.write(tree.policies / "policy0/scaling_max_freq", 1_200_000)  # by an administrator
    with frequency.held(500_000_000):
        assert frequency._guard is guard, "one child for all steps"
    assert tree.limits()["policy0"] == (500_000, 1_200_000)
    tree.write(tree.policies / "policy0/scaling_max_freq", 1_500_000)
    with pytest.raises(ZeroDivisionError), frequency.held(1_000_000_000):
        raise ZeroDivisionError
    assert tree.is_back()


def test_steps_that_some_cores_lack_are_none(tree: Tree) -> None:
    tree.write(tree.policies / "policy4/scaling_available_frequencies", "500000 1500000")
    assert tree.made().steps_hz() == [500_000_000, 1_500_000_000]
    for each in LIMITS:
        (tree.policies / each / "scaling_available_frequencies").unlink()
    assert tree.made().steps_hz() == [500_000_000, 1_500_000_000], "of a driver that lists none, the ends"


@pytest.mark.parametrize("wanted_hz", [0, 1, 999_000_000])
def test_what_is_no_step_is_refused_and_nothing_changes(tree: Tree, wanted_hz: int) -> None:
    with pytest.raises(InvalidInput, match="is no step of this CPU; allowed: 500, 1000, 1500 MHz"):
        tree.made().hold(wanted_hz)
    assert tree.is_back()


def test_where_nothing_can_be_set_it_says_why(tmp_path: Path) -> None:
    nowhere = CpuFrequency(tmp_path, tmp_path / "note.json")
    assert "no cpufreq here" in str(nowhere.why_unavailable())
    assert nowhere.steps_hz() == []
    with pytest.raises(InvalidInput, match="no frequency can be set: no cpufreq here"):
        nowhere.hold(1_000_000_000)


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everything")
def test_who_may_not_write_is_told_so(tree: Tree) -> None:
    (tree.policies / "policy0/scaling_max_freq").chmod(0o444)
    assert "writable by root alone" in str(tree.made().why_unavailable())


def test_a_policy_that_vanishes_meanwhile_keeps_the_others_from_nothing(tree: Tree) -> None:
    frequency = tree.made()
    frequency.hold(1_000_000_000)
    for each in sorted((tree.policies / "policy0").iterdir()):
        each.unlink()
    (tree.policies / "policy0").rmdir()
    frequency.let_go()
    assert tree.limits() == {"policy4": LIMITS["policy4"]}


HOLDER = """
import os, signal, sys, time
from pathlib import Path
from autoscale_runtime.host.cpu_frequency import CpuFrequency
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a test run under nohup has it ignored, and so would this
frequency = CpuFrequency(Path({root!r}), Path({note!r}))
frequency.hold(500_000_000)
child = os.fork() if {forks} else 1
if not child:
    time.sleep(600)
print(child, frequency._guard.pid, flush=True)
{end}
"""


def holding(tree: Tree, end: str, forks: bool = False) -> tuple["subprocess.Popen[str]", int, int]:
    """A process that holds the lowest step, its forked child or 1, and its guard."""
    code = HOLDER.format(root=str(tree.root), note=str(tree.note), end=end, forks=forks)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    child, guard = process.stdout.readline().split()
    return process, int(child), int(guard)


@pytest.mark.parametrize("end", ["", "raise ValueError", "sys.exit(3)", "os._exit(4)", "os.abort()"])
def test_it_is_put_back_however_its_holder_ends(tree: Tree, end: str) -> None:
    process, _, _ = holding(tree, end)
    process.communicate(timeout=60)
    until(tree.is_back)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"])
def test_it_is_put_back_whatever_kills_its_holder(tree: Tree, name: str) -> None:
    process, _, _ = holding(tree, "time.sleep(600)")
    assert tree.limits() == dict.fromkeys(LIMITS, (500_000, 500_000))
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=60)
    until(tree.is_back)


def test_a_forked_child_keeps_nobody_from_putting_it_back(tree: Tree) -> None:
    process, child, _ = holding(tree, "time.sleep(600)", forks=True)
    try:
        process.kill()
        until(tree.is_back)
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate(timeout=60)


def test_killed_with_its_guard_the_next_start_puts_it_back_and_says_so(tree: Tree, caplog: Any) -> None:
    process, _, guard = holding(tree, "time.sleep(600)")
    with pytest.raises(InvalidInput, match=f"process {process.pid} holds this CPU's frequency"):
        tree.made().hold(1_000_000_000)
    os.kill(guard, signal.SIGKILL)
    process.kill()
    process.communicate(timeout=60)
    assert tree.limits() == dict.fromkeys(LIMITS, (500_000, 500_000))
    tree.made()
    assert tree.is_back()
    assert f"process {process.pid} was killed while it held the CPU's frequency" in caplog.text


def test_of_another_boot_there_is_nothing_to_put_back(tree: Tree, caplog: Any) -> None:
    process, _, guard = holding(tree, "time.sleep(600)")
    os.kill(guard, signal.SIGKILL)
    process.kill()
    process.communicate(timeout=60)
    tree.write(tree.root / "proc/sys/kernel/random/boot_id", "boot-2")
    frequency = tree.made()
    assert not caplog.records
    with frequency.held(1_000_000_000):
        pass


@pytest.mark.parametrize(
    "text", ["", "boot-1", "boot-1 pid 7", "boot-1 99999999 7\nmuch", "boot-1 99999999 7\n1 2 3 /nowhere"]
)
def test_a_note_that_is_garbage_is_none(tree: Tree, text: str) -> None:
    tree.note.write_text(text)
    with tree.made().held(500_000_000):
        pass
    assert tree.is_back()
