"""What is left to do once the caller has the answer: to learn from it, to record it, to be ready for the next query.

A thread does it while the caller is busy with the answer; where the next query comes sooner, that does it first. So the
order is the same as if all were done before the answer is given, and so are the choices; and what waits is never more
than one answer of each thread that asks. What only saves the next query time is done after that, or, where that query
comes sooner, not at all. A process that ends does what is left; one that is killed loses what its threads were just
answered.
"""

import atexit
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from autoscale_runtime.host.process import FORKING, generation

_LOG: Final = logging.getLogger("autoscale.session")


class _Here(threading.local):
    """Whether this thread is doing a job, whichever session's."""

    is_job = False


_HERE: Final = _Here()


class Behind:
    """Jobs, each done once, in the order in which they came; the thread starts with the first of them.

    They are done in the process that they were put in: one that is forked meanwhile would do them again.
    """

    def __init__(self) -> None:
        self._generation = generation()
        self._jobs: deque[Callable[[], object]] = deque()
        self._optional: deque[Callable[[], object]] = deque(maxlen=1)
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._doing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._starting, self._is_closed = threading.Lock(), False
        self._error: Exception | None = None
        with FORKING:
            _ALL.add(self)

    def put(self, *jobs: Callable[[], object], then: Callable[[], object] | None = None) -> None:
        """Have something done soon; ``then`` by the thread alone, unless :meth:`hurry` comes before it."""
        self._jobs.extend(jobs)
        if then is not None:
            self._optional.append(then)
        if self._thread is None and not self._start():
            self._end()  # of a query that was under way when it was closed
            return
        self._wake.put(True)

    def settle(self) -> None:
        """Do what is left: when this returns, all that was put before is done.

        A job that asks for it, of this or of another session, does not wait for what others are doing: they may for it.

        Raises:
            Exception: what the first job to fail raised, here or in the thread; once.
        """
        if not self.is_current:
            return
        if self._jobs or self._doing.locked():
            if _HERE.is_job:
                self._do_unless_busy()
            else:
                with self._doing:  # acquire() and then try would leave it held for ever by a Ctrl-C between the two
                    self._do_all()
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
        """End the thread once all is done; what is put later is done at once. Calling it twice is harmless."""
        with self._starting:
            self._is_closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._wake.put(False)
            if thread is not threading.current_thread():  # a job may close its session
                thread.join()
        self._end()

    def let_go(self) -> None:
        """End the thread once all is done, and wait for nothing: for the garbage collector, whatever it interrupts."""
        self._wake.put(False)

    @property
    def is_current(self) -> bool:
        """Whether it was made in this process, not in one that this was forked from."""
        return self._generation == generation()

    def _start(self) -> bool:
        """Start the one thread, whoever comes first; False where it was closed."""
        with self._starting:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._work, name="autoscale-behind", daemon=True)
                self._thread.start()
            return not self._is_closed

    def _end(self) -> None:
        self._optional.clear()
        try:
            self.settle()
        except Exception:
            _LOG.exception("the last query of a session could not be learned from, or recorded")

    def _do_unless_busy(self) -> None:
        if self._doing.acquire(blocking=False):
            try:
                self._do_all()
            finally:
                self._doing.release()

    def _do_all(self) -> None:
        was_job, _HERE.is_job = _HERE.is_job, True
        try:
            while self._jobs:
                try:
                    self._jobs.popleft()()
                except Exception as error:
                    self._error = self._error or error
        finally:
            _HERE.is_job = was_job

    def _work(self) -> None:
        while self._wake.get():
            try:
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


_ALL: Final[weakref.WeakSet[Behind]] = weakref.WeakSet()


@atexit.register
def settle_all() -> None:
    """Do what is left of every session, which need not have been closed."""
    with FORKING:
        every = list(_ALL)
    for behind in every:
        try:
            behind.settle()
        except Exception:
            _LOG.exception("the last query of a session could not be learned from, or recorded")
