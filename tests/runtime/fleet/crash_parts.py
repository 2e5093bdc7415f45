"""Kills a process that works on a ledger, at each of its steps in turn, and recovers: run by test_crash.py."""

import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autoscale.errors import InvalidInput
from autoscale.fleet import read_ledger
from autoscale.fleet.ledger.erasure import forget, retain
from autoscale.fleet.ledger.manifest import Change
from autoscale.fleet.ledger.months import roll_up_months
from autoscale.fleet.ledger.readmission import readmit
from autoscale.fleet.ledger.rollup import DROPPED
from autoscale.fleet.ledger.rows import Rows
from autoscale.fleet.ledger.store import MANY, Intake, Ledger
from autoscale.fleet.ledger.validation import Rules
from autoscale.fleet.ledger.verification import GONE_ON_PURPOSE, verify
from autoscale_runtime.fleet.batches import batch_of, rows_of
from autoscale_runtime.fleet.collector.committer import Committer, Delivery
from tests.runtime.fleet.fleet_parts import keys, rows_of_log

LATER = datetime.now(UTC) + timedelta(days=70)
DAY_US = 86_400_000_000
KNOWN, KNOWN_NOW = Rules(device_models=frozenset()), Rules(device_models=frozenset(["mi8pro"]))
DEVICES = ("device-0", "device-1")
CHANGING = (
    "mkdir",
    "write",
    "flush",
    "fsync",
    "chmod",
    "replace",
    "rename",
    "unlink",
    "rmdir",
    "execute",
    "executemany",
)


class Killer:
    """A profiler that kills its process at some call into the system, SQLite or a file."""

    def __init__(self, at: int) -> None:
        self._left = at

    def __call__(self, frame: Any, event: str, called: Any) -> None:
        if event == "c_call" and _changes_files(called):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _changes_files(called: Any) -> bool:
    where = called.__module__ or type(getattr(called, "__self__", None)).__module__
    return where in ("posix", "sqlite3", "_io", "io") and called.__name__ in CHANGING


def rows(folder: Path) -> Rows:
    """Ten rows of two days, one of them negative."""
    given = rows_of_log(folder, 10)
    at = np.arange(10)
    time_us = given.numbers["time_us"] - DAY_US * (at % 2)
    return Rows(given.numbers | {"time_us": time_us, "latency_us": np.where(at == 3, -5, at)}, given.texts)


def of_device(given: Rows, device: str) -> Rows:
    return rows_of(batch_of(given, device, "log", {}))


def deliver(ledger: Path, given: Rows, rules: Rules = KNOWN_NOW) -> None:
    """What a device and a broken one send."""
    committer = Committer(Ledger(ledger), rules)
    try:
        batch = batch_of(given, "a", "log", {"space": 2})
        committer.deliver(Delivery(batch, batch.SerializeToString()))
        with suppress(InvalidInput):
            committer.deliver(Delivery(InvalidInput("junk"), b"junk"))
    finally:
        committer.close()


def small_files(ledger: Path, given: Rows) -> None:
    good = given.take((given.numbers["latency_us"] >= 0) & (np.arange(len(given)) % 2 == 0))
    with Ledger(ledger) as opened:
        for number in range(MANY):
            opened.commit(Intake(of_device(good, f"device-{number}"), change=Change()))


def merge(ledger: Path, given: Rows) -> None:
    with Ledger(ledger) as opened:
        for day in opened.crowded_days():
            opened.compact(day)


def let_in(ledger: Path, given: Rows) -> None:
    with Ledger(ledger) as opened:
        readmit(opened, KNOWN_NOW)


def summed(ledger: Path, given: Rows) -> None:
    """Files of some devices, with their hourly sums and those of their month."""
    good = given.take(given.numbers["latency_us"] >= 0)
    with Ledger(ledger) as opened, opened.written() as added:
        for device in DEVICES:
            opened.commit(Intake(of_device(good, device)))
        for entry in opened.manifest.entries():
            opened.roll_up(opened.folder / entry.path, entry.day, entry.rows, added, least=1)
        opened.manifest.commit(Change(added=tuple(added)), time.time())
        roll_up_months(opened, LATER)


def small_sums(ledger: Path, given: Rows) -> None:
    """The same without sums of the month."""
    summed(ledger, given)
    with Ledger(ledger) as opened:
        months = [each.path for each in opened.manifest.entries() if each.folder in DROPPED]
        opened.manifest.commit(Change(retired=tuple(months)), time.time())
        opened.remove(months)


def take_out(ledger: Path, given: Rows) -> None:
    with Ledger(ledger) as opened:
        forget(opened, DEVICES[0])


def age(ledger: Path, given: Rows) -> None:
    with Ledger(ledger) as opened:
        retain(opened, 1, LATER)


def sum_months(ledger: Path, given: Rows) -> None:
    with Ledger(ledger) as opened:
        roll_up_months(opened, LATER)


def left_over(ledger: Path, given: Rows) -> None:
    """A ledger with what crashes leave."""
    deliver(ledger, given)
    for number, file in enumerate(read_ledger(ledger).files):
        shutil.copy(file, file.with_name(f"{number}-left-over.parquet"))
        file.with_name(f".{number}.parquet.x.part").write_bytes(file.read_bytes()[:99])


def reopen(ledger: Path, given: Rows) -> None:
    Ledger(ledger).close()


# What makes the ledger, what is killed, and what is done after, as devices or the operator would.
Step = Callable[[Path, Rows], None]
CASES: dict[str, tuple[Step, Step]] = {
    "commit": (lambda ledger, given: None, deliver),
    "merge": (small_files, merge),
    "readmit": (lambda ledger, given: deliver(ledger, given, KNOWN), let_in),
    "reopen": (left_over, reopen),
    "forget": (summed, take_out),
    "retain": (summed, age),
    "months": (small_sums, sum_months),
}
EXPECTED = {
    "commit": (9, {"rejected:negative": 1, "rejected:truncated": 1}),
    "merge": (5 * MANY, {}),
    "readmit": (9, {"rejected:negative": 1, "rejected:truncated": 1}),
    "reopen": (9, {"rejected:negative": 1, "rejected:truncated": 1}),
    "forget": (18, {}),
    "retain": (18, {}),
    "months": (18, {}),
}
GONE = {"forget": 9, "retain": 18}


def check(case: str, ledger: Path) -> None:
    """Exactly what should be there is, counted as it should be, and nothing else lies about."""
    accepted, rejected = EXPECTED[case]
    view, arrived = read_ledger(ledger), keys(ledger)
    gone = GONE.get(case, 0)
    assert len(arrived) == len(set(arrived)) == accepted - gone, arrived
    assert view.counts["accepted"] == accepted
    assert sum(view.counts.get(name, 0) for name in GONE_ON_PURPOSE) == gone
    assert verify(ledger).is_whole
    assert {name: count for name, count in view.counts.items() if "rejected" in name} == rejected
    assert (view.damaged, view.counts["missing"]) == ((), 0)
    with Ledger(ledger) as opened:
        in_quarantine = sum(each.rows for each in opened.manifest.entries(""))
        assert in_quarantine == sum(rejected.values())
        files = {each.relative_to(ledger).as_posix() for each in ledger.glob("*/**/*") if each.is_file()}
        assert files == opened.manifest.known(), files ^ opened.manifest.known()


def calls(step: int = 1) -> Iterator[Callable[[], None]]:
    """Ways to be killed: at the first call, the second, ..."""
    for at in range(1, 1000, step):
        killer = Killer(at)

        def arm(killer: Killer = killer) -> None:
            threading.setprofile(killer)
            sys.setprofile(killer)

        yield arm


def writes() -> Iterator[Callable[[], None]]:
    """Ways to be killed: in the middle of the write that takes a file beyond some size; SQLite's are among them."""
    for size in [*range(100, 4096, 400), *range(4096, 200_000, 2048)]:

        def arm(size: int = size) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        yield arm


def killed(arm: Callable[[], None], work: Step, ledger: Path, given: Rows) -> bool:
    """Work in a process of its own; whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            arm()
            work(ledger, given)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(3)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


def main(case: str, how: str, folder: Path) -> None:
    """Kill until the work is done before it is killed; print how often."""
    make, work = CASES[case]
    given = rows(folder / "rows")
    make(folder / "made", given)
    kills = 0
    for number, arm in enumerate({"calls": calls, "some calls": partial(calls, 4), "writes": writes}[how]()):
        ledger = folder / f"{number}"
        if (folder / "made").exists():
            shutil.copytree(folder / "made", ledger)
        is_killed = killed(arm, work, ledger, given)
        work(ledger, given)
        check(case, ledger)
        shutil.rmtree(ledger)
        kills += is_killed
        if not is_killed:
            break
    print(kills)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
