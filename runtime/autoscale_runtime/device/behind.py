"""What is left to do once the caller has the answer: to learn from it, and so to be ready for the next query.

A thread does it while the caller is busy with the answer; where the next query comes sooner, that does it first. So the
order is the same as if all were done before the answer is given, and so are the choices. What only saves the next query
time is done after that, or, where that query comes sooner, not at all.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from autoscale_runtime.host.process import FORKING

_LOG: Final = logging.getLogger("autoscale.session")


class Behind:
    """Jobs, each done once, in the order in which they came; the thread starts with the first of them."""

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], object]] = deque()
        self._optional: deque[Callable[[], object]] = deque(maxlen=1)
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._doing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def put(self, job: Callable[[], object], then: Callable[[], object] | None = None) -> None:
        """Have something done soon; ``then`` by the thread alone, unless :meth:`hurry` comes before it."""
        self._jobs.append(job)
        if then is not None:
            self._optional.append(then)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="autoscale-behind", daemon=True)
            self._thread.start()
        self._wake.put(True)

    def settle(self) -> None:
        """Do what is left: when this returns, all that was put before is done.

        Raises:
            Exception: what a job raised, here or in the thread; once.
        """
        if self._jobs or self._doing.locked():
            with self._doing:
                while self._jobs:
                    self._jobs.popleft()()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def hurry(self) -> None:
        """As :meth:`settle`, without what need not be done.

        Raises:
            Exception: as :meth:`settle` does.
        """
        self._optional.clear()
        self.settle()

    def close(self) -> None:
        """End the thread once all is done; calling it twice is harmless."""
        self._optional.clear()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._wake.put(False)
            thread.join()
        try:
            self.settle()
        except Exception:
            _LOG.exception("an agent could not learn from the last query of a session")

    def _work(self) -> None:
        while self._wake.get():
            try:
                with FORKING:  # a child must not get an agent in the middle of a lesson
                    self.settle()
                self._do_optional()
            except Exception as error:
                self._error = error

    def _do_optional(self) -> None:
        try:
            job = self._optional.pop()
        except IndexError:  # there is none, or a query came
            return
        job()
