"""Batches of many devices, committed together: what comes while one commit is written makes up the next.

So a lone batch waits for nothing, and under load a commit grows until its fixed cost no longer counts: where many small
batches come, the next commit waits a moment for more of them, since one costs as much CPU as some 50 of them.
"""

import hashlib
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, TypeAlias

from autoscale.errors import AutoScaleError, InvalidInput, Overloaded
from autoscale.fleet.ledger.log_state import LogState
from autoscale.fleet.ledger.manifest import Change, LogKey
from autoscale.fleet.ledger.months import roll_up_months
from autoscale.fleet.ledger.rows import Rows, joined, none
from autoscale.fleet.ledger.store import Intake, Ledger
from autoscale.fleet.ledger.validation import Rules
from autoscale.units import us_from_s
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import reported_rows, rows_of
from autoscale_runtime.fleet.collector.judging import Receipt, judge
from autoscale_runtime.fleet.collector.judging_sums import judge_sums
from autoscale_runtime.fleet.sums import SumsMessage

MOST_ROWS: Final = 1 << 18
"""In one commit: what bounds its memory."""

IDLE_S: Final = 2.0
"""So long without a batch, and there is time to merge small files."""

BUSY_COMMITS: Final = 64
"""After so many commits small files are merged though batches wait: a collector that never rests has them, too."""

CROWD: Final = 8
"""So many batches in one commit, and the next one gathers, ..."""

GATHER_S: Final = 0.010
"""... for so long, and again while more come, ..."""

GATHERS: Final = 8
"""... so many times at most, ..."""

GATHERED: Final = 384
"""... until so many wait, ..."""

SMALL_ROWS: Final = 1024
"""... if they are smaller than that in the mean."""

_MOST_KNOWN: Final = 1 << 17
"""Logs whose state is kept in memory; the others are looked up."""


class Settled(Protocol):
    """Where a receipt goes, as a future takes it."""

    def set_result(self, receipt: Receipt, /) -> None:
        """What became of the batch."""

    def set_exception(self, error: Exception, /) -> None:
        """Why nothing did."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch that waits to be committed.

    Attributes:
        batch: as ``read_batch`` or ``read_sums`` read it, or why that could not.
        content: as it came.
        receipt: what became of it.
    """

    batch: pb.Batch | SumsMessage | InvalidInput
    content: bytes
    receipt: "Future[Receipt] | Settled" = field(default_factory=Future)

    @property
    def rows(self) -> int:
        """How many rows it says it has."""
        return self.batch.rows if isinstance(self.batch, pb.Batch) else 0


_Answer: TypeAlias = tuple[Delivery, Receipt | AutoScaleError]


class Committer:
    """The one thread that writes a ledger.

    Args:
        ledger: where to; closed with the committer.
        rules: which rows it takes.
        settle: has a function called where receipts may be given out; at once, in this thread, where it is not said.
    """

    def __init__(
        self, ledger: Ledger, rules: Rules, settle: Callable[[Callable[[], None]], None] = lambda give: give()
    ) -> None:
        self._ledger, self._rules, self._settle = ledger, rules, settle
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._arrived: dict[LogKey, LogState] = {}
        self._since_merged = 0
        self._is_crowded = self._is_closed = False
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="fleet-commit")
        self._thread.start()

    def submit(self, delivery: Delivery) -> None:
        """Have a batch committed; its receipt says when it is on disk, or raises what ``deliver`` does.

        Raises:
            Overloaded: the collector stops; the batch should come again.
        """
        with self._guard:
            if self._is_closed:
                raise Overloaded("the collector is stopping; send the batch again later")
            self._waiting.put(delivery)

    def deliver(self, delivery: Delivery) -> Receipt:
        """Wait until a batch is on disk.

        Raises:
            Overloaded: the disk is full or fails, or the collector stops; the batch should come again.
            InvalidInput: it cannot be read as rows, and lies in quarantine.
        """
        self.submit(delivery)
        assert isinstance(delivery.receipt, Future)
        receipt: Receipt = delivery.receipt.result()
        return receipt

    def close(self) -> None:
        """Commit what waits, and let the ledger go."""
        with self._guard:
            self._is_closed = True
            self._waiting.put(None)
        self._thread.join()
        self._ledger.close()

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            try:
                first = self._waiting.get(timeout=IDLE_S)
            except queue.Empty:
                self._compact(is_idle=True)
                first = self._waiting.get()
            group, goes_on = self._group(first)
            if group:
                self._commit(group)
            if self._since_merged >= BUSY_COMMITS:
                self._compact(is_idle=False)

    def _group(self, first: Delivery | None) -> tuple[list[Delivery], bool]:
        """All that waits, up to ``MOST_ROWS``; and whether more may come."""
        if self._is_crowded:
            self._gather()
        group: list[Delivery] = []
        each, rows = first, 0
        while each is not None and rows < MOST_ROWS:
            group.append(each)
            rows += each.rows
            try:
                each = self._waiting.get_nowait() if rows < MOST_ROWS else each
            except queue.Empty:
                break
        self._is_crowded = len(group) >= CROWD and rows < SMALL_ROWS * len(group)
        return group, each is not None

    def _gather(self) -> None:
        """Let more come; asleep, since to wait for each batch would cost a switch of threads for each."""
        for _ in range(GATHERS):
            before = self._waiting.qsize()
            if before >= GATHERED:
                return
            time.sleep(GATHER_S)
            if self._waiting.qsize() == before:
                return

    def _commit(self, group: Sequence[Delivery]) -> None:
        answers: Sequence[_Answer]
        try:
            answers = self._write(group)
        except Exception as error:  # whatever it is, it must reach those who wait, and the thread must go on
            problem = Overloaded(f"the ledger cannot be written: {error}; send it again later")
            answers = [(each, problem) for each in group]
        self._settle(partial(_give_out, answers))

    def _write(self, group: Sequence[Delivery]) -> list[_Answer]:
        read, now_us = _read(group), us_from_s(time.time())
        batches = [batch for _, batch in read.good]
        judged = judge(read.rows, batches, self._state, self._rules, now_us)
        sent = [(each, each.batch) for each in group if isinstance(each.batch, SumsMessage)]
        sums = judge_sums([each for _, each in sent], self._ledger.manifest.has_taken, self._rules, now_us)
        unreadable, truncated = self._unreadable([each for each, _ in read.bad])
        counts = Counter(judged.counts) + Counter(sums.counts) + Counter({"rejected:truncated": truncated})
        change = Change(logs=judged.states, lost=_lost(batches), counts=counts, taken=sums.taken)
        self._ledger.commit(
            Intake(judged.rows, judged.reasons, unreadable, change, sums=sums.accepted, rejected_sums=sums.rejected)
        )
        self._remember(judged.states)
        return [
            *zip((each for each, _ in read.good), judged.receipts, strict=True),
            *zip((each for each, _ in sent), sums.receipts, strict=True),
            *read.bad,
        ]

    def _state(self, key: LogKey) -> LogState | None:
        """What had arrived of a log before this commit."""
        return self._arrived.get(key) or self._ledger.manifest.log(key)

    def _remember(self, states: Mapping[LogKey, LogState]) -> None:
        """Nobody else writes the ledger, so what was committed need not be looked up again."""
        self._since_merged += 1
        if len(self._arrived) > _MOST_KNOWN:
            self._arrived.clear()
        self._arrived |= states

    def _unreadable(self, group: Sequence[Delivery]) -> tuple[dict[str, tuple[bytes, int]], int]:
        """Contents to keep by their sha256, each once however often it is sent, and the rows they say they have."""
        fresh: dict[str, tuple[bytes, int]] = {}
        for each in group:
            name = hashlib.sha256(each.content).hexdigest()
            if not self._ledger.has_unreadable(name):
                fresh[name] = each.content, reported_rows(each.content)
        return fresh, sum(reported for _, reported in fresh.values())

    def _compact(self, is_idle: bool) -> None:
        self._since_merged = 0
        try:
            crowded = [(day, kind) for kind in ("records", "sent") for day in self._ledger.crowded_days(kind)]
            for day, kind in crowded:
                if is_idle and not self._waiting.empty():
                    return
                self._ledger.compact(day, kind)
            if is_idle and self._waiting.empty():
                roll_up_months(self._ledger)
        except Exception as error:  # whatever it is, the small files stay and count, and batches must go on being taken
            print(f"small files of the ledger were not merged: {error}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class _Read:
    """What deliveries hold: the rows of those that can be read, one after the other, and why others cannot."""

    rows: Rows
    good: Sequence[tuple[Delivery, pb.Batch]]
    bad: Sequence[tuple[Delivery, InvalidInput]]


def _read(group: Sequence[Delivery]) -> _Read:
    bad = [(each, each.batch) for each in group if isinstance(each.batch, InvalidInput)]
    good = [(each, each.batch) for each in group if isinstance(each.batch, pb.Batch)]
    read = _read_rows(good)
    return _Read(read.rows, read.good, [*bad, *read.bad])


def _read_rows(given: Sequence[tuple[Delivery, pb.Batch]]) -> _Read:
    """All at once; where one of them cannot be read, halves of them, until that one is found."""
    if not given:
        return _Read(none(), (), ())
    try:
        rows = rows_of(*[batch for _, batch in given], contents=[each.content for each, _ in given])
        return _Read(rows, given, ())
    except InvalidInput as problem:
        if len(given) == 1:
            return _Read(none(), (), [(given[0][0], problem)])
    half = len(given) // 2
    first, second = _read_rows(given[:half]), _read_rows(given[half:])
    rows = joined([first.rows, second.rows])
    return _Read(rows, [*first.good, *second.good], [*first.bad, *second.bad])


def _give_out(answers: Sequence[_Answer]) -> None:
    for each, answer in answers:
        if isinstance(answer, AutoScaleError):
            each.receipt.set_exception(answer)
        else:
            each.receipt.set_result(answer)


def _lost(batches: Sequence[pb.Batch]) -> dict[LogKey, Counter[str]]:
    """The most that each log was reported to have lost, whatever order its batches came in."""
    lost: dict[LogKey, Counter[str]] = {}
    for each in batches:
        if each.lost:
            key = each.device_id, each.log_id
            lost[key] = lost.get(key, Counter()) | Counter(dict(each.lost))
    return lost
