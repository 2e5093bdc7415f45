"""One worker process, watched: started, told, ended where it must be, and started again when it has died."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc

from autoscale.errors import AutoScaleError, ModelError
from autoscale_runtime.server.execution.host import Asked, Loaded, OnUnassigned
from autoscale_runtime.server.execution.job import Job, Ran
from autoscale_runtime.server.execution.served_model import ServedModel
from autoscale_runtime.server.workers.process_executor import ProcessExecutor

_LOG: Final = logging.getLogger("autoscale.server")

KILLED_AFTER_S: Final = 0.25
"""After a batch was told to end; an operator that has begun does not look."""

_FIRST_AGAIN_S, _LAST_AGAIN_S = 0.05, 30.0
_PATIENCE: Final = 400
_ENDS_S: Final = 2.0
_WELL_S: Final = 5.0
"""A worker that lived so long is started again at once."""


class WorkerProcess:
    """The process of some models. For the event loop.

    Args:
        models: what it loads.
        max_bytes: of an answer.
        on_unassigned: told of the core-seconds that no answer tells.
    """

    def __init__(self, models: Sequence[Asked], max_bytes: int, on_unassigned: OnUnassigned) -> None:
        self._models = {each.name: each for each in models}
        self._max_bytes, self._on_unassigned = max_bytes, on_unassigned
        self._excluded: dict[tuple[str, int], AutoScaleError] = {}
        self._executors: dict[str, ProcessExecutor] = {}
        self._open = set(self._models)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: asyncio.StreamWriter | None = None
        self._watch: asyncio.Task[None] | None = None
        self._is_closed = False
        self._told_s = 0.0
        self._why_killed = ""

    async def load(self) -> dict[str, Loaded]:
        """Start it; what each model's versions came to. A version that its process died of is left out, and told."""
        try:
            loaded, refused = await self._start()
        except OSError as error:  # of the system there is no more: of processes, descriptors or memory
            wrong = ModelError(f"its process cannot be started: {error.strerror or error}")
            return {name: Loaded({}, {s.version: wrong for s in each.sources}) for name, each in self._models.items()}
        except BaseException:  # whoever waited for it was called off
            await self._end()
            raise
        result = {}
        for name in self._models:
            versions = loaded.get(name, {})
            executor = self._executors[name] if versions else None
            result[name] = Loaded(versions, refused.get(name, {}), executor)
        if any(loaded.values()):
            self._watch = asyncio.get_running_loop().create_task(self._supervise())
        else:
            await self._end()
        return result

    async def _start(self) -> tuple[dict[str, dict[int, ServedModel]], dict[str, dict[int, AutoScaleError]]]:
        while True:
            loaded: dict[str, dict[int, ServedModel]] = {name: {} for name in self._models}
            refused: dict[str, dict[int, AutoScaleError]] = {name: {} for name in self._models}
            for (name, version), error in self._excluded.items():
                refused[name][version] = error
            reader, sockets = await self._spawn()
            blamed: tuple[str, int] | None = None
            while line := await _line(reader):
                told = json.loads(line)
                if "loading" in told:
                    blamed = told["loading"][0], told["loading"][1]
                elif "loaded" in told:
                    model = ServedModel.from_json(told["loaded"])
                    loaded[model.name][model.version] = model
                elif "refused" in told:
                    name, version = told["refused"]
                    refused[name][version] = ModelError(told["why"])
                elif "ready" in told:
                    self._on_unassigned(told["core_s"])
                    self._told_s = told["core_s"]
                    self._reader = reader
                    self._connect(sockets)
                    return loaded, refused
            why = await self._ended()
            for end in sockets.values():
                end.close()
            if blamed is None or blamed in self._excluded:
                for name, each in self._models.items():
                    refused[name] |= {s.version: ModelError(f"its process {why} as it started") for s in each.sources}
                return {name: {} for name in self._models}, refused
            self._excluded[blamed] = ModelError(f"its process {why} while it was loaded")

    async def _spawn(self) -> tuple[asyncio.StreamReader, dict[str, socket.socket]]:
        ours, theirs = socket.socketpair()
        pairs = {name: socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for name in self._models}
        passed = [theirs.fileno(), *(their.fileno() for _, their in pairs.values())]
        command = [sys.executable, "-m", "autoscale_runtime.server.workers.worker", str(theirs.fileno())]
        path = os.pathsep.join(each for each in sys.path if each)
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                stdout=2,  # what an engine prints is no answer of the command's
                env={**os.environ, "PYTHONPATH": path},
            )
        finally:
            theirs.close()
        self._told_s, self._why_killed = 0.0, ""
        reader, self._control = await asyncio.open_connection(sock=ours, limit=1 << 24)
        asked = [self._asked(each, pairs[each.name][1].fileno()) for each in self._models.values()]
        for _, their in pairs.values():
            their.close()
        self._control.write(json.dumps({"models": asked}).encode() + b"\n")
        return reader, {name: our for name, (our, _) in pairs.items()}

    def _asked(self, model: Asked, descriptor: int) -> dict[str, Any]:
        sources = [each.as_json() for each in model.sources if (model.name, each.version) not in self._excluded]
        rules = [model.most_rows, self._max_bytes]
        return {
            "name": model.name,
            "socket": descriptor,
            "instances": model.instances,
            "rules": rules,
            "sources": sources,
        }

    def _connect(self, sockets: Mapping[str, socket.socket]) -> None:
        for name, each in sockets.items():
            if name not in self._executors:
                self._executors[name] = self._executor(name)
            self._executors[name].connect(each)

    def _executor(self, name: str) -> ProcessExecutor:
        instances = self._models[name].instances
        executor = ProcessExecutor(instances, lambda batch: self._stop(name, batch), lambda: self._close(name))
        executor.owner = self
        return executor

    def _stop(self, name: str, batch: int) -> None:
        if self._control is not None:
            self._control.write(json.dumps({"stop": [name, batch]}).encode() + b"\n")
            self._insist_later(name, batch, self._process)

    def _insist_later(self, name: str, batch: int, process: subprocess.Popen[bytes] | None) -> None:
        asyncio.get_running_loop().call_later(KILLED_AFTER_S, self._insist, name, batch, process)

    def _insist(self, name: str, batch: int, process: subprocess.Popen[bytes] | None) -> None:
        executor = self._executors[name]
        if process is not self._process or not executor.holds(batch):
            return
        if executor.runs(batch):
            self._why_killed = "was ended, since a query that nobody waited for did not end by itself"
            self._kill()
        else:  # it waits behind another's, which is not to be ended for it
            self._insist_later(name, batch, process)

    async def _close(self, name: str) -> None:
        """A model is let go; with the last one the process ends."""
        self._open.discard(name)
        if not self._open:
            await self._end()

    async def _end(self) -> None:
        self._is_closed = True
        self._kill()
        if self._watch is not None:
            await asyncio.wait([self._watch], timeout=_ENDS_S)
            self._watch.cancel()
        if self._process is not None and self._process.returncode is None:
            await self._ended()
        for executor in self._executors.values():
            executor.disconnect()

    def _told(self) -> float:
        return self._told_s + sum(each.told_s for each in self._executors.values())

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def _supervise(self) -> None:
        wait_s = _FIRST_AGAIN_S
        while True:
            began_s = time.monotonic()
            while line := await _line(self._reader):
                if b"bloated" in line:
                    next(iter(self._executors.values())).on_bloated()
            why = await self._ended()
            self._fail(why)
            if self._is_closed:
                return
            _LOG.error("the process of %s %s; it is started again", ", ".join(self._models), why)
            wait_s = _FIRST_AGAIN_S if time.monotonic() - began_s > _WELL_S else min(2 * wait_s, _LAST_AGAIN_S)
            await asyncio.sleep(wait_s)
            while not await self._again():
                wait_s = min(2 * wait_s, _LAST_AGAIN_S)
                for each in self._executors.values():
                    each.give_up(
                        grpc.StatusCode.UNAVAILABLE, "the model's process does not start; see the server's log"
                    )
                await asyncio.sleep(wait_s)

    async def _again(self) -> bool:
        if self._is_closed:
            return True
        try:
            loaded, refused = await self._start()
        except OSError as error:
            _LOG.error("the process of %s cannot be started: %s", ", ".join(self._models), error)
            return False
        for name, versions in refused.items():
            for version, wrong in versions.items():
                _LOG.error("version %d of '%s' is not served any more: %s", version, name, wrong)
        if self._is_closed:
            self._kill()
        return any(loaded.values())

    def _fail(self, why: str) -> None:
        """What ran in it has failed; whoever is still waited for and did no harm runs again."""
        for executor in self._executors.values():
            for jobs in executor.disconnect():
                if self._why_killed and not any(job.is_done for job in jobs):
                    executor.run(jobs)
                else:
                    text = f"the process of the model {why} while it ran the query".encode()
                    executor.on_done(jobs, [Ran(_code(job), text) for job in jobs])

    async def _ended(self) -> str:
        """Wait for its end, and take its CPU time into account; how it ended."""
        process = self._process
        assert process is not None
        if self._control is not None:
            self._control.close()
            with contextlib.suppress(OSError):
                await self._control.wait_closed()
            self._control = None
        for each in range(_PATIENCE):
            before_s = _children_s()
            if process.poll() is not None:
                self._on_unassigned(max(_children_s() - before_s - self._told(), 0.0))
                break
            if each > _PATIENCE // 2:
                self._kill()
            await asyncio.sleep(0.005)
        return self._why_killed or _how(process.returncode)


async def _line(reader: asyncio.StreamReader) -> bytes:
    """What the worker says next; empty once it is gone. One that dies with something unread resets the connection."""
    try:
        return await reader.readline()
    except OSError:
        return b""


def _children_s() -> float:
    """CPU time of all processes that were started and have been waited for."""
    import resource  # other systems have none, and no workers either

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _code(job: Job) -> grpc.StatusCode:
    return grpc.StatusCode.CANCELLED if job.is_done else grpc.StatusCode.INTERNAL


def _how(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"died of {signal.Signals(-status).name}"
    return f"died of signal {-status}"
