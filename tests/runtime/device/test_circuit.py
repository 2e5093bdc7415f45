"""The circuit breaker, on a clock and with probes that run when the test says so; once in a thread."""

import threading
from collections.abc import Callable

import pytest

from autoscale.errors import DeadlineExceeded, FeedError, Overloaded, TargetError, TargetUnavailable, WrongAnswer
from autoscale_runtime.device.circuit import (
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    LONGEST_WRONG_BACKOFF_S,
    Circuit,
    Undecided,
)
from tests.waiting import until


class Remote:
    """The other end: answers probes when it is up, and counts them; they run when the test says so."""

    def __init__(self, is_up: bool = False) -> None:
        self.error: Exception | None = None if is_up else TargetUnavailable("still down")
        self.probes = 0
        self.now_s = 0.0
        self.held: list[Callable[[], None]] = []
        self.circuit = Circuit(self.probe, self.held.append, lambda: self.now_s)

    def probe(self) -> None:
        self.probes += 1
        if self.error is not None:
            raise self.error

    def later(self, wait_s: float = LONGEST_WRONG_BACKOFF_S) -> None:
        """After so long a query comes, and what it starts behind it runs."""
        self.now_s += wait_s
        self.circuit.lets_pass()
        while self.held:
            self.held.pop()()


def test_it_starts_closed_and_a_probe_is_never_sent_for_nothing() -> None:
    remote = Remote()
    remote.circuit.succeed()
    assert remote.circuit.lets_pass()
    assert remote.held == []


def test_a_refused_connection_opens_it_at_once() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    assert not remote.circuit.lets_pass()
    assert remote.circuit.reason == "refused"


def test_a_server_that_says_when_to_come_again_gets_nothing_until_then() -> None:
    remote = Remote(is_up=True)
    remote.circuit.fail(Overloaded("quota", 20.0))
    remote.later(19.0)
    assert remote.probes == 0
    remote.later(2.0)
    assert remote.probes == 1
    assert remote.circuit.lets_pass()


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), Overloaded("full"), WrongAnswer("odd"), TargetError("?")])
def test_a_miss_may_happen_two_in_a_row_may_not(error: TargetError) -> None:
    circuit = Remote().circuit
    for _ in range(3):
        circuit.fail(error)
        assert not circuit.is_open
        circuit.succeed()
    circuit.fail(error)
    circuit.fail(error)
    assert circuit.is_open


@pytest.mark.parametrize(
    ("error", "longest_s"),
    [(TargetUnavailable("gone"), LONGEST_BACKOFF_S), (WrongAnswer("another"), LONGEST_WRONG_BACKOFF_S)],
)
def test_probes_come_at_doubling_intervals_up_to_the_longest_and_close_it(error: TargetError, longest_s: float) -> None:
    remote = Remote()
    remote.error = error
    remote.circuit.trip(error)
    for probe in range(9):
        wait_s = min(FIRST_BACKOFF_S * 2.0**probe, longest_s)
        remote.later(wait_s - 0.01)
        assert remote.probes == probe
        remote.later(0.02)
        assert remote.probes == probe + 1
        assert remote.circuit.is_open
    remote.error = None
    remote.later()
    assert remote.circuit.lets_pass()
    remote.later()
    assert remote.probes == 10  # and none after the one that closed it


def test_without_queries_no_probe_is_sent() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.now_s += 3600.0
    assert (remote.probes, remote.held) == (0, [])
    remote.later(0.0)
    assert remote.probes == 1


def test_a_link_that_is_back_is_found_within_ten_seconds_however_long_it_was_gone() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    for _ in range(3600):
        remote.later(1.0)
    remote.error, back_s = None, remote.now_s
    while remote.circuit.is_open:
        remote.later(0.1)
    assert remote.now_s - back_s < 10.0


def test_after_an_answer_the_intervals_begin_anew() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    for _ in range(5):
        remote.later()
    remote.circuit.succeed()
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.later(FIRST_BACKOFF_S)
    assert remote.probes == 6


def test_after_a_probe_one_miss_opens_it_again_until_a_query_is_answered() -> None:
    remote = Remote(is_up=True)
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.later()
    assert not remote.circuit.is_open
    remote.circuit.fail(DeadlineExceeded("late"))
    assert remote.circuit.is_open
    remote.later()
    assert not remote.circuit.is_open
    remote.circuit.succeed()
    remote.circuit.fail(DeadlineExceeded("late"))
    assert not remote.circuit.is_open


def test_an_answer_that_comes_late_closes_it_without_a_probe() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.circuit.succeed()
    assert remote.circuit.lets_pass()
    assert remote.probes == 0


def test_queries_that_keep_failing_do_not_put_the_next_probe_off() -> None:
    """Where the mode allows no other target, each query goes there, whatever the circuit says."""
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    for _ in range(8):
        remote.circuit.fail(TargetUnavailable("refused"))
        remote.later(FIRST_BACKOFF_S / 8)
    assert remote.probes == 1


def test_many_failures_and_queries_at_once_start_one_probe() -> None:
    remote = Remote()
    threads = [threading.Thread(target=remote.circuit.fail, args=(TargetUnavailable("refused"),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    remote.now_s += LONGEST_BACKOFF_S
    for _ in range(20):
        remote.circuit.lets_pass()
    assert len(remote.held) == 1


@pytest.mark.parametrize("error", [FeedError("no input is named 'x'"), KeyError("y"), MemoryError()])
def test_whatever_a_probe_meets_the_probing_goes_on(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    remote = Remote()
    remote.error = error
    remote.circuit.fail(TargetUnavailable("refused"))
    for _ in range(3):
        remote.later()
    assert remote.probes == 3
    assert repr(error) in caplog.text
    remote.error = None
    remote.later()
    assert remote.circuit.lets_pass()


def test_what_is_not_decided_yet_is_asked_again_with_the_next_query() -> None:
    remote = Remote()
    remote.error = Undecided("all zeros")
    remote.circuit.trip(TargetUnavailable("not yet"), 0.0)
    for _ in range(5):
        remote.later(0.0)
    assert remote.probes == 5
    assert remote.circuit.reason == "all zeros"


def test_closing_ends_the_probing() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.circuit.close()
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.later()
    assert remote.probes == 0


def test_a_probe_runs_behind_the_query_and_ends() -> None:
    remote = Remote(is_up=True)
    circuit = Circuit(remote.probe)
    circuit.trip(TargetUnavailable("refused"), 0.0)
    until(circuit.lets_pass)
    until(lambda: not any(each.name == "autoscale-probe" for each in threading.enumerate()))
    assert remote.probes == 1
