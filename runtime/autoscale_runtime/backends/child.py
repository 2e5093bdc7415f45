"""A backend in a process of its own: what kills or hangs that one leaves this one whole.

The child is ``python -m autoscale_runtime.backends.child``; the two talk over a pipe that nothing else writes to, since
drivers print what they like to the other streams.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from threading import Lock
from typing import Any, Final

from autoscale import errors
from autoscale.errors import AutoScaleError, DeadlineExceeded, FeedError, TargetUnavailable, UnsupportedModel
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Backend, Runner
from autoscale_runtime.backends.tensors import Array, Feeds, check_feeds

LOADING_S: Final = 300.0
"""A compiler of an accelerator may take minutes; one that takes longer hangs."""

LONGEST_S: Final = 120.0
"""Likewise for a query, where its caller names no limit."""


class ChildRunner(Runner):
    """A model that a backend runs in a child, one query at a time.

    Args:
        backend: ``"module:Class"`` of the backend.
        path: of the model file.
        target: as the backend names it.

    Raises:
        ModelError: as the backend does.
        UnsupportedModel: loading it ended or hung the child.
    """

    def __init__(self, backend: str, path: Path, target: Target) -> None:
        self._guard = Lock()
        self._connection, there = Pipe()
        self._child = _started(backend, path, target, there)
        there.close()
        try:
            self.inputs, self.outputs, self.coverage = self._received(LOADING_S)
        except (TargetUnavailable, DeadlineExceeded) as error:
            self.close()
            raise UnsupportedModel(f"'{path}' cannot be loaded for {target}: {error}") from error
        except AutoScaleError:
            self.close()
            raise

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query; a child that dies or takes too long is not started again."""
        check_feeds(self.inputs, feeds)
        with self._guard:
            try:
                self._connection.send((None if output_names is None else [*output_names], dict(feeds)))
            except OSError as error:
                raise TargetUnavailable("the model was closed, or its process ended; load it again") from error
            outputs: list[Array] = self._received(LONGEST_S if timeout_s is None else timeout_s)
        return Answer(outputs)

    def close(self) -> None:
        """End the child."""
        self._connection.close()
        self._child.kill()
        self._child.wait()

    def _received(self, longest_s: float) -> Any:
        try:
            is_there = self._connection.poll(longest_s)
            kind, content = self._connection.recv() if is_there else ("", None)
        except (EOFError, OSError) as error:
            code = self._child.wait()
            raise TargetUnavailable(f"its process ended {_how(code)}") from error
        if not is_there:
            self.close()
            raise DeadlineExceeded(f"its process gave no answer within {longest_s:g} s and was ended")
        if kind == "answer":
            return content
        raise getattr(errors, kind, FeedError)(content)


def _started(backend: str, path: Path, target: Target, there: Connection) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", __name__, str(there.fileno()), backend, str(path), str(target)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdin=quiet, stdout=quiet, stderr=quiet, env=environment, pass_fds=[there.fileno()]
    )


def _how(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def main(arguments: Sequence[str]) -> None:
    """Load the model, and answer until nobody asks any more."""
    number, name, path, target = arguments
    connection = Connection(int(number))
    module, _, attribute = name.partition(":")
    backend: Backend = getattr(import_module(module), attribute)()
    try:
        runner = backend.load(Path(path), Target.parse(target))
        connection.send(("answer", (runner.inputs, runner.outputs, runner.coverage)))
    except AutoScaleError as error:
        connection.send((_sendable(error), str(error)))
        return
    while True:
        try:
            names, feeds = connection.recv()
        except EOFError:
            return
        try:
            connection.send(("answer", runner.run(names, feeds).outputs))
        except AutoScaleError as error:
            connection.send((_sendable(error), str(error)))


def _sendable(error: AutoScaleError) -> str:
    """Of an error that takes more than a message, the name of one that does not."""
    name = type(error).__name__
    return "UnsupportedModel" if name == "MissingExtra" else name


if __name__ == "__main__":
    main(sys.argv[1:])
