"""Windows and macOS: without what only Linux has, sessions, servers, logs and ledgers do what they do with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATH = os.pathsep.join(map(str, (ROOT, ROOT / "runtime", ROOT / "envs")))


def run(script: Path, *arguments: str) -> str:
    """What a script says on another system."""
    command = [sys.executable, "-W", "error", "-m", "tests.other_system", str(script), *arguments]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=script.parent,
        env=os.environ | {"PYTHONPATH": PATH},
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("on_device", "same answer: True"),
        ("offload", "cloud:cpu/fp32: TargetUnavailable, device:cpu/fp32@"),
        ("fleet", "uploaded 200 records, 0 rejected"),
    ],
)
def test_an_example_runs(name: str, says: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    assert says in run(ROOT / "examples" / f"{name}.py")


def test_it_is_another_system(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import os, sys
from pathlib import Path

from autoscale_runtime.host.cores import allowed_cores, pin, usable_cores
from autoscale_runtime.sensors.load import LoadSensor
from autoscale_runtime.wire.malloc import keep_freed_memory

assert not hasattr(os, "sched_getaffinity") and not Path("/proc/stat").exists()
for absent in ("fcntl", "resource"):
    try:
        __import__(absent)
    except ImportError:
        continue
    raise AssertionError(absent)
pin([0])
assert len(allowed_cores()) == usable_cores() == os.cpu_count()
assert LoadSensor().sense().memory_load is not None
assert not keep_freed_memory()
"""
    )
    assert run(script) == ""


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import os, sys
from pathlib import Path

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.lock import FolderLock

folder = Path(sys.argv[1])
with FolderLock(folder, "log", "writer"):
    try:
        FolderLock(folder, "log", "writer")
    except InvalidInput as error:
        assert f"in use by process {os.getpid()};" in str(error), error
    else:
        raise AssertionError("two hold it")
FolderLock(folder, "log", "writer").close()
"""
    )
    assert run(script, str(tmp_path)) == ""


def test_a_loss_noted_over_another_is_read_back_by_the_next_writer(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import sys
from pathlib import Path

from autoscale_runtime.fleet.device_log.log_folder import LogFolder
from autoscale_runtime.fleet.device_log.loss_note import LossNote

path = Path(sys.argv[1]) / "full"
note = LossNote(path)
note.write("a", 3)
note.write("a", 12)
assert (note.read("a"), note.read("b"), LossNote(path).read("a")) == (12, 0, 12)
folder = LogFolder(path.parent / "log")
folder.acknowledge(7)
assert LogFolder(path.parent / "log").acknowledged() == 7
folder.device_id(None)
assert folder.place() == LogFolder(path.parent / "log").place()
"""
    )
    assert run(script, str(tmp_path)) == ""


def test_a_link_is_shaped_without_epoll(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import socket

from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.shaped_link import ShapedLink

with socket.create_server(("127.0.0.1", 0)) as server:
    with ShapedLink(f"127.0.0.1:{server.getsockname()[1]}", LinkConditions(rate_bps=1e8, round_trip_s=0.002)) as link:
        host, _, port = link.address.rpartition(":")
        with socket.create_connection((host, int(port))) as client, server.accept()[0] as peer:
            client.sendall(b"x" * 100_000)
            client.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: peer.recv(65536), b""))
assert got == b"x" * 100_000
"""
    )
    assert run(script) == ""
