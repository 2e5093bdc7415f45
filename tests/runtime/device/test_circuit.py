"""The circuit breaker, on timers that run out when the test says so; once with the real one."""

import threading

import pytest

from autoscale.errors import DeadlineExceeded, Overloaded, TargetError, TargetUnavailable, WrongAnswer
from autoscale_runtime.device.circuit import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, Circuit
from tests.waiting import until


class HeldTimer(threading.Timer):
    """A timer that runs out when told to, in the thread that tells it, unless it was cancelled."""

    def start(self) -> None:
        """Wait to be told."""

    def run_out(self) -> None:
        if not self.finished.is_set():
            self.function()


class Remote:
    """The other end: answers probes when it is up, and counts them; every timer of its circuit is held."""

    def __init__(self, is_up: bool = False) -> None:
        self.is_up = is_up
        self.probes = 0
        self.timers: list[HeldTimer] = []
        self.circuit = Circuit(self.probe, self.timer)

    def probe(self) -> None:
        self.probes += 1
        if not self.is_up:
            raise TargetUnavailable("still down")

    def timer(self, interval_s: float, function: object) -> HeldTimer:
        self.timers.append(HeldTimer(interval_s, function))
        return self.timers[-1]


def test_it_starts_closed_and_a_probe_is_never_sent_for_nothing() -> None:
    remote = Remote()
    remote.circuit.succeed()
    assert not remote.circuit.is_open
    assert remote.timers == []


def test_a_refused_connection_opens_it_at_once() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    assert remote.circuit.is_open
    assert remote.circuit.reason == "refused"


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


def test_probes_come_at_doubling_intervals_up_to_the_longest_and_close_it() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    for _ in range(8):
        remote.timers[-1].run_out()
        assert remote.circuit.is_open
    remote.is_up = True
    remote.timers[-1].run_out()
    assert not remote.circuit.is_open
    doubled_s = [min(FIRST_BACKOFF_S * 2.0**i, LONGEST_BACKOFF_S) for i in range(9)]
    assert [each.interval for each in remote.timers] == doubled_s  # and none after the one that closed it
    assert (doubled_s[-1], remote.probes) == (LONGEST_BACKOFF_S, 9)


def test_after_an_answer_the_intervals_begin_anew() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.timers[-1].run_out()
    remote.circuit.succeed()
    remote.timers[-1].run_out()
    remote.circuit.fail(TargetUnavailable("refused"))
    assert remote.timers[-1].interval == FIRST_BACKOFF_S


def test_after_a_probe_one_miss_opens_it_again_until_a_query_is_answered() -> None:
    remote = Remote(is_up=True)
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.timers[-1].run_out()
    assert not remote.circuit.is_open
    remote.circuit.fail(DeadlineExceeded("late"))
    assert remote.circuit.is_open
    remote.timers[-1].run_out()
    assert not remote.circuit.is_open
    remote.circuit.succeed()
    remote.circuit.fail(DeadlineExceeded("late"))
    assert not remote.circuit.is_open


def test_an_answer_that_comes_late_closes_it_without_a_probe() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.circuit.succeed()
    assert not remote.circuit.is_open
    assert remote.probes == 0


def test_many_failures_at_once_start_one_probe() -> None:
    remote = Remote()
    threads = [threading.Thread(target=remote.circuit.fail, args=(TargetUnavailable("refused"),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(remote.timers) == 1


def test_closing_ends_the_probing() -> None:
    remote = Remote()
    remote.circuit.fail(TargetUnavailable("refused"))
    remote.circuit.close()
    remote.timers[-1].run_out()
    remote.circuit.fail(TargetUnavailable("refused"))
    assert (remote.probes, len(remote.timers)) == (0, 1)


def test_a_real_timer_probes_and_ends() -> None:
    remote = Remote(is_up=True)
    timers: list[threading.Timer] = []

    def soon(_: float, function: object) -> threading.Timer:
        timers.append(threading.Timer(0.001, function))
        return timers[-1]

    circuit = Circuit(remote.probe, soon)
    circuit.fail(TargetUnavailable("refused"))
    until(lambda: not circuit.is_open)
    until(lambda: not any(each.is_alive() for each in timers))
    assert remote.probes == 1
