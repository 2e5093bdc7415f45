"""The circuit breaker, with real clocks and short back-offs."""

import threading
import time

import pytest

from autoscale.errors import DeadlineExceeded, Overloaded, TargetError, TargetUnavailable, WrongAnswer
from autoscale_runtime.device import circuit as module
from autoscale_runtime.device.circuit import Circuit
from tests.waiting import until

BACKOFF_S = 0.03


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", BACKOFF_S)
    monkeypatch.setattr(module, "LONGEST_BACKOFF_S", 4 * BACKOFF_S)


class FarEnd:
    """Answers probes when it is up, and remembers when each came."""

    def __init__(self) -> None:
        self.is_up = False
        self.probed_s: list[float] = []

    def probe(self) -> None:
        self.probed_s.append(time.monotonic())
        if not self.is_up:
            raise TargetUnavailable("still down")


def test_it_starts_closed_and_a_probe_is_never_sent_for_nothing() -> None:
    far = FarEnd()
    circuit = Circuit(far.probe)
    circuit.succeed()
    time.sleep(2 * BACKOFF_S)
    assert not circuit.is_open
    assert far.probed_s == []


def test_a_refused_connection_opens_it_at_once() -> None:
    circuit = Circuit(FarEnd().probe)
    circuit.fail(TargetUnavailable("refused"))
    assert circuit.is_open
    assert circuit.reason == "refused"
    circuit.close()


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), Overloaded("full"), WrongAnswer("odd"), TargetError("?")])
def test_a_miss_may_happen_two_in_a_row_may_not(error: TargetError) -> None:
    circuit = Circuit(FarEnd().probe)
    for _ in range(3):
        circuit.fail(error)
        assert not circuit.is_open
        circuit.succeed()
    circuit.fail(error)
    circuit.fail(error)
    assert circuit.is_open
    circuit.close()


def test_probes_come_at_doubling_intervals_up_to_the_longest_and_close_it() -> None:
    far = FarEnd()
    circuit = Circuit(far.probe)
    opened_s = time.monotonic()
    circuit.fail(TargetUnavailable("refused"))
    until(lambda: len(far.probed_s) >= 5)
    far.is_up = True
    until(lambda: not circuit.is_open)
    times_s = [opened_s, *far.probed_s[:5]]
    for begin_s, end_s, least in zip(times_s, times_s[1:], (1, 2, 4, 4, 4), strict=False):
        assert end_s - begin_s >= 0.95 * least * BACKOFF_S
    # The longest back-off holds: doubling on would take 8 and 16 of them for the last two.
    assert times_s[-1] - times_s[-3] < 20 * BACKOFF_S
    count = len(far.probed_s)
    time.sleep(5 * BACKOFF_S)
    assert len(far.probed_s) == count


def test_after_a_probe_one_miss_opens_it_again_until_a_query_is_answered() -> None:
    far = FarEnd()
    far.is_up = True
    circuit = Circuit(far.probe)
    circuit.fail(TargetUnavailable("refused"))
    until(lambda: not circuit.is_open)
    circuit.fail(DeadlineExceeded("late"))
    assert circuit.is_open
    until(lambda: not circuit.is_open)
    circuit.succeed()
    circuit.fail(DeadlineExceeded("late"))
    assert not circuit.is_open


def test_an_answer_that_comes_late_closes_it_without_a_probe() -> None:
    circuit = Circuit(FarEnd().probe)
    circuit.fail(TargetUnavailable("refused"))
    circuit.succeed()
    assert not circuit.is_open
    circuit.close()


def test_many_failures_at_once_start_one_probe() -> None:
    far = FarEnd()
    circuit = Circuit(far.probe)
    threads = [threading.Thread(target=circuit.fail, args=(TargetUnavailable("refused"),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: far.probed_s)
    time.sleep(0.5 * BACKOFF_S)
    assert len(far.probed_s) == 1
    circuit.close()


def test_closing_ends_the_probing() -> None:
    far = FarEnd()
    circuit = Circuit(far.probe)
    before = set(threading.enumerate())
    circuit.fail(TargetUnavailable("refused"))
    [timer] = set(threading.enumerate()) - before
    circuit.close()
    until(lambda: not timer.is_alive())
    circuit.fail(TargetUnavailable("refused"))
    assert set(threading.enumerate()) <= before
    time.sleep(2 * BACKOFF_S)
    assert far.probed_s == []
