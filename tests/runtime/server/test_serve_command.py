"""``autoscale serve`` as people and parent processes start it."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from autoscale_runtime.server.server import Server
from autoscale_runtime.wire.client import OffloadClient

COMMAND = [sys.executable, "-c", "from autoscale.cli import main; main()", "serve"]


@pytest.fixture
def process(repository: Path) -> Iterator["subprocess.Popen[str]"]:
    options = ["--port", "0", "--power-table", "laptop", "--threads-per-model", "1"]
    with subprocess.Popen([*COMMAND, str(repository), *options], stdout=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


def greeting(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_its_first_line_tells_the_address_and_a_signal_ends_it(
    process: "subprocess.Popen[str]", stop: signal.Signals
) -> None:
    line = greeting(process)
    assert line.startswith("serving 4 models on 127.0.0.1:")
    client = OffloadClient(line.split()[-1])
    reply = client.infer("scale", {"x": np.ones((1, 4), np.float32)}, timeout_s=60)
    assert reply.outputs["y"].tolist() == [[10.0] * 4]
    client.close()
    process.send_signal(stop)
    assert process.wait(60) == 0


def test_a_repository_that_is_gone_is_told_and_what_was_served_stays(repository: Path, tmp_path: Path) -> None:
    models = shutil.copytree(repository, tmp_path / "models")
    command = [*COMMAND, str(models), "--port=0", "--no-isolate"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        address = greeting(started).rpartition(" ")[2].strip()
        models.rename(tmp_path / "away")
        started.send_signal(signal.SIGHUP)
        told = next(line for line in started.stderr if "INFO" not in line)
        assert "nothing was reloaded, what is served stays: model repository" in told
        client = OffloadClient(address)
        assert client.infer("scale", {"x": np.ones((1, 4), np.float32)}, timeout_s=60).outputs["y"].shape == (1, 4)
        client.close()
        (tmp_path / "away").rename(models)
        for _ in range(50):
            started.send_signal(signal.SIGHUP)
        assert psutil.Process(started.pid).num_threads() < 50
        started.terminate()
        assert started.wait(60) == 0
        assert "Traceback" not in started.stderr.read()


def refusal(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_port_in_use_ends_it_with_2(repository: Path, server: Server) -> None:
    printed = refusal(str(repository), "--port", str(server.port), "--power-table", "laptop")
    assert f"autoscale: cannot listen at 127.0.0.1:{server.port}" in printed


def test_a_repository_without_models_ends_it_with_2(tmp_path: Path) -> None:
    assert f"'{tmp_path}' holds no models" in refusal(str(tmp_path), "--port", "0", "--power-table", "laptop")


def test_a_broken_model_ends_it_with_2(tmp_path: Path) -> None:
    (tmp_path / "net" / "1").mkdir(parents=True)
    (tmp_path / "net" / "1" / "model.onnx").write_bytes(b"no model")
    assert "net/1/model.onnx" in refusal(str(tmp_path), "--port", "0", "--power-table", "laptop")


def test_an_unknown_power_table_ends_it_with_2(repository: Path) -> None:
    assert "did you mean 'laptop'" in refusal(str(repository), "--port", "0", "--power-table", "labtop")


def test_a_wrong_option_ends_it_with_2(repository: Path) -> None:
    assert "--port" in refusal(str(repository), "--port", "65536")
