"""Batches of many devices, committed together: what comes while one commit is written makes up the next.

So a lone batch waits for nothing, and under load a commit grows until its fixed cost no longer counts.
"""

import asyncio
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
from typing import Final

import numpy as np

from autoscale.errors import Overloaded
from autoscale.fleet.ledger.clock import SET_BACK_US, reset_rows
from autoscale.fleet.ledger.log_state import LogState, Verdict
from autoscale.fleet.ledger.manifest import Change, LogKey
from autoscale.fleet.ledger.rows import Rows, joined, none
from autoscale.fleet.ledger.store import Intake, Ledger
from autoscale.fleet.ledger.validation import REASONS, Reasons, Rules, validate
from autoscale.units import us_from_s

MOST_ROWS: Final = 1 << 18
"""In one commit: what bounds its memory."""

IDLE_S: Final = 2.0
"""So long without a batch, and there is time to merge small files."""

BUSY_COMMITS: Final = 64
"""After so many commits small files are merged though batches wait: a collector that never rests has them, too."""

_MOST_KNOWN: Final = 1 << 17
"""Logs whose state is kept in memory; the others are looked up."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the rows of a batch."""

    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch that waits to be committed: rows of one log, or content that cannot be read as rows.

    Attributes:
        key: the log.
        rows: of the log; none where it cannot be read.
        lost: what the device had to drop.
        begins: the number of the log's first row.
        unreadable: the content as it came.
        reported_rows: as how many rows that counts.
        receipt: what became of it.
    """

    key: LogKey
    rows: Rows
    lost: Mapping[str, int] = field(default_factory=dict)
    begins: int = 0
    unreadable: bytes | None = None
    reported_rows: int = 0
    receipt: "Future[Receipt] | asyncio.Future[Receipt]" = field(default_factory=Future)


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
        self._is_closed = False
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="fleet-commit")
        self._thread.start()

    def submit(self, delivery: Delivery) -> None:
        """Have a batch committed; its receipt says when it is on disk, or raises ``Overloaded`` where it is not.

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
        """
        self.submit(delivery)
        return delivery.receipt.result()

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
        group: list[Delivery] = []
        each, rows = first, 0
        while each is not None:
            group.append(each)
            rows += len(each.rows)
            if rows >= MOST_ROWS:
                return group, True
            try:
                each = self._waiting.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, group: Sequence[Delivery]) -> None:
        receipts: Sequence[Receipt | Overloaded]
        try:
            receipts = self._write(group)
        except Exception as error:  # whatever it is, it must reach those who wait, and the thread must go on
            receipts = [Overloaded(f"the ledger cannot be written: {error}; send it again later")] * len(group)
        self._settle(partial(_give_out, group, receipts))

    def _write(self, group: Sequence[Delivery]) -> list[Receipt]:
        states: dict[LogKey, LogState] = {}
        admitted = [self._admit(each, states) for each in group]
        verdicts = [verdict for _, verdict in admitted]
        parts = [_fresh(each, verdict) for each, verdict in zip(group, verdicts, strict=True)]
        rows = joined(parts)
        reasons = validate(rows, self._rules, us_from_s(time.time()))
        validated = np.split(reasons, np.cumsum([len(each) for each in parts])[:-1])  # views into the reasons
        is_plain = _are_plain(rows, reasons, [len(each) for each in parts])
        set_back = 0
        for delivery, (high_water, _), part, each, plain in zip(
            group, admitted, parts, validated, is_plain, strict=True
        ):
            set_back += _look_at_clock(delivery.key, high_water, part, each, states, plain)
        unreadable, truncated = self._unreadable(group)
        counts = {f"rejected:{name}": int(np.count_nonzero(reasons == i)) for i, name in enumerate(REASONS)}
        counts["rejected:truncated"] += truncated
        counts["duplicate"] = sum(each.duplicate for each in verdicts)
        counts["reordered"] = sum(each.reordered for each in verdicts)
        counts["clock_set_back"] = set_back
        counted = {name: count for name, count in counts.items() if count}
        self._ledger.commit(Intake(rows, reasons, unreadable, Change(logs=states, lost=_lost(group), counts=counted)))
        self._remember(states)
        return [
            Receipt(int(np.count_nonzero(each < 0)), verdict.duplicate, int(np.count_nonzero(each >= 0)))
            for verdict, each in zip(verdicts, validated, strict=True)
        ]

    def _admit(self, delivery: Delivery, states: dict[LogKey, LogState]) -> tuple[int, Verdict]:
        """The greatest number that the log had before, and what became of the rows."""
        if not len(delivery.rows):
            return -1, Verdict(np.ones(0, np.bool_))
        key = delivery.key
        state = states.get(key) or self._arrived.get(key) or self._ledger.manifest.log(key)
        state = state or LogState(delivery.begins - 1)
        states[key], verdict = state.admit(delivery.rows.numbers["sequence"])
        return state.high_water, verdict

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
            if each.unreadable is not None:
                name = hashlib.sha256(each.unreadable).hexdigest()
                if not self._ledger.has_unreadable(name):
                    fresh[name] = each.unreadable, each.reported_rows
        return fresh, sum(reported_rows for _, reported_rows in fresh.values())

    def _compact(self, is_idle: bool) -> None:
        self._since_merged = 0
        try:
            for day in self._ledger.crowded_days():
                if is_idle and not self._waiting.empty():
                    return
                self._ledger.compact(day)
        except Exception as error:  # whatever it is, the small files stay and count, and batches must go on being taken
            print(f"small files of the ledger were not merged: {error}", file=sys.stderr, flush=True)


def unreadable(content: bytes, reported_rows: int) -> Delivery:
    """A delivery of what cannot be read as rows."""
    return Delivery(("", ""), none(), unreadable=content, reported_rows=reported_rows)


def _give_out(group: Sequence[Delivery], receipts: Sequence[Receipt | Overloaded]) -> None:
    for each, receipt in zip(group, receipts, strict=True):
        if each.receipt.done():  # whoever sent it is gone
            continue
        if isinstance(receipt, Overloaded):
            each.receipt.set_exception(receipt)
        else:
            each.receipt.set_result(receipt)


def _lost(group: Sequence[Delivery]) -> dict[LogKey, Counter[str]]:
    """The most that each log was reported to have lost, whatever order its batches came in."""
    lost: dict[LogKey, Counter[str]] = {}
    for each in group:
        if each.lost:
            lost[each.key] = lost.get(each.key, Counter()) | Counter(each.lost)
    return lost


def _are_plain(rows: Rows, reasons: Reasons, lengths: Sequence[int]) -> list[bool]:
    """Of batches one after the other whether all rows are accepted and rise in number and time: most are."""
    sequence, time_us = (rows.numbers[name] for name in ("sequence", "time_us"))
    is_odd = reasons >= 0
    is_odd[1:] |= (np.diff(sequence) <= 0) | (np.diff(time_us) < 0)
    firsts = np.cumsum([0, *lengths])[:-1]
    filled = np.flatnonzero(lengths)
    is_odd[firsts[filled]] = reasons[firsts[filled]] >= 0
    is_plain = np.zeros(len(lengths), np.bool_)
    if len(filled):
        is_plain[filled] = ~np.logical_or.reduceat(is_odd, firsts[filled])
    return [bool(each) for each in is_plain]


def _look_at_clock(
    key: LogKey, high_water: int, part: Rows, reasons: Reasons, states: dict[LogKey, LogState], is_plain: bool
) -> int:
    """Reject rows of a clock that was lost, note when the log's rows are, and tell how often it was set back by less.

    Args:
        key: the log.
        high_water: the greatest number of a row that had arrived before: a batch that came late says nothing of the
            clock between it and the last one.
        part: the fresh rows of a batch.
        reasons: why each is rejected already; written to.
        states: of logs, with these rows; written to.
        is_plain: whether all of its rows are accepted and rise in number and time.
    """
    if is_plain:
        times, state = part.numbers["time_us"], states[key]
        first_us, last_us = int(times[0]), int(times[-1])
        if first_us >= (state.last_us if part.numbers["sequence"][0] > high_water else state.first_us):
            states[key] = state.lasting(first_us, last_us)
            return 0
    is_good = reasons < 0
    sequence, time_us = (part.numbers[name][is_good] for name in ("sequence", "time_us"))
    if not len(time_us):
        return 0
    state = states[key]
    follows = state.last_us if sequence.min() > high_water else 0
    reset = reset_rows(sequence, time_us, follows or state.first_us)
    if reset.any():
        reasons[np.flatnonzero(is_good)[reset]] = REASONS.index("clock_reset")
        sequence, time_us = sequence[~reset], time_us[~reset]
        if not len(time_us):
            return 0
    in_order = time_us[np.argsort(sequence, kind="stable")]
    states[key] = state.lasting(int(in_order.min()), int(in_order[-1]))
    return int(np.count_nonzero(np.diff(in_order, prepend=follows) < -SET_BACK_US))


def _fresh(delivery: Delivery, verdict: Verdict) -> Rows:
    return delivery.rows.take(verdict.is_fresh) if verdict.duplicate else delivery.rows
