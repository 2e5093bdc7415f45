"""The demonstration's machines on one machine: a device, a server behind a shaped link, and co-runners.

Each has processes and, where the system allows it, processor cores of its own: the device the first half of what
this process may use, the server and the link the rest.
"""

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

from autoscale.closing import Closing
from autoscale.errors import TargetUnavailable
from autoscale.query.observation import LinkState, Observation
from autoscale_runtime.host.cores import allowed_cores, pin
from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.sensors.base import Sensor

_BUSY: Final = """
import os, time
parent, end = os.getppid(), time.monotonic() + 600
while time.monotonic() < end and os.getppid() == parent:
    sum(range(100_000))
"""


class Stage(Closing):
    """The processes around the device; a context manager that ends what it started.

    Args:
        repository: the models the server serves.

    Raises:
        TargetUnavailable: the server or the link does not come up.
    """

    def __init__(self, repository: Path) -> None:
        self.link = LinkConditions()
        self._co_runners: list[subprocess.Popen[str]] = []
        cores = sorted(allowed_cores())
        device, cloud = _split(cores)
        self.device_cores = device
        with ExitStack() as undo:
            undo.callback(pin, cores)
            pin(cloud)
            server = _start("-m", "autoscale", "serve", str(repository), "--port", "0", "--quiet")
            undo.callback(_end, server)
            self._proxy = _start("-m", "autoscale_runtime.demo.link_process", _address(server))
            undo.callback(_end, self._proxy)
            self.address = _address(self._proxy)
            pin(device)
            self._undo = undo.pop_all()

    def set_link(self, conditions: LinkConditions) -> None:
        """Change the link, for the sensors too; what is sent from now on goes by the new conditions."""
        self.link = conditions
        assert self._proxy.stdin is not None and self._proxy.stdout is not None
        self._proxy.stdin.write(json.dumps(asdict(conditions)) + "\n")
        self._proxy.stdin.flush()
        self._proxy.stdout.readline()

    def set_co_runners(self, per_core: int) -> None:
        """Have so many busy processes on each of the device's cores."""
        wanted = per_core * len(self.device_cores)
        while len(self._co_runners) < wanted:
            self._co_runners.append(_start("-c", _BUSY))
        while len(self._co_runners) > wanted:
            _end(self._co_runners.pop())

    def close(self) -> None:
        """End every process it started and take all cores back."""
        self.set_co_runners(0)
        self._undo.close()


class SignalSensor(Sensor):
    """The signal of the stage's link, as a Wi-Fi card would tell it."""

    name = "stage-signal"

    def __init__(self, stage: Stage, link: str) -> None:
        self._stage = stage
        self._link = link

    def sense(self) -> Observation:
        """The received signal strength now."""
        return Observation(links={self._link: LinkState(rssi_dbm=self._stage.link.rssi_dbm)})


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def _address(process: subprocess.Popen[str]) -> str:
    """The ``host:port`` that a process names on its first line."""
    assert process.stdout is not None
    line = process.stdout.readline()
    words = [word for word in line.split() if word.count(":") == 1 and word.rpartition(":")[2].isdecimal()]
    if not words:
        raise TargetUnavailable(
            f"a process of the demonstration did not come up: {line.strip() or 'it ended without a word'}"
        )
    return words[0]


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _split(cores: list[int]) -> tuple[list[int], list[int]]:
    """The device's cores and the server's; one core is shared."""
    half = len(cores) // 2
    return (cores[:half], cores[half:]) if half else (cores, cores)
