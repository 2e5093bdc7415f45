"""Which thread of a model's reads: one at a time, whatever happens to it."""

import threading
import time

from autoscale_runtime.server.workers.turn import QUICK_S, Turn
from tests.waiting import LONGEST_WAIT_S


def quick() -> Turn:
    turn = Turn()
    for _ in range(100):
        turn.learn(QUICK_S / 2)
    turn.keeps(time.monotonic())  # after a rest, and so not kept
    return turn


def test_who_reads_a_quick_model_answers_too() -> None:
    turn = quick()
    lock = turn.take()
    assert turn.keeps(time.monotonic())
    assert turn.has(lock)


def test_the_turn_of_a_slow_model_is_handed_on() -> None:
    turn = quick()
    for _ in range(100):
        turn.learn(2 * QUICK_S)
    assert not turn.keeps(time.monotonic())


def test_after_a_rest_it_is_handed_on() -> None:
    turn = quick()
    assert not turn.keeps(time.monotonic() + 100.0)


def test_it_is_taken_from_one_that_is_held_up() -> None:
    turn = quick()
    held = turn.take()
    assert turn.keeps(time.monotonic())
    took: list[threading.Lock] = []
    others = [threading.Thread(target=lambda: took.append(turn.take()), daemon=True) for _ in range(3)]
    for each in others:
        each.start()
    for count in (1, 2, 3):  # and from each that takes it, while its query does not end
        deadline_s = time.monotonic() + LONGEST_WAIT_S
        while len(took) < count and time.monotonic() < deadline_s:
            time.sleep(0.005)
        assert len(took) == count
        assert turn.keeps(time.monotonic())
    assert not turn.has(held)
    assert [turn.has(lock) for lock in took] == [False, False, True]


def test_one_reads_at_a_time() -> None:
    turn, at_once, most = quick(), 0, 0
    guard = threading.Lock()
    ends_s = time.monotonic() + 0.5

    def work() -> None:
        nonlocal at_once, most
        while time.monotonic() < ends_s:
            lock = turn.take()
            with guard:
                at_once += 1
                most = max(most, at_once)
            with guard:
                at_once -= 1
            if turn.keeps(time.monotonic()):
                time.sleep(0.03 if int(time.monotonic() * 1e6) % 7 == 0 else 0.0)
                if not turn.has(lock):
                    continue
            turn.leave(lock)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == 1
