"""Batches of many devices, committed together: what comes while one commit is written makes up the next.

So a lone batch waits for nothing, and under load a commit grows until its fixed cost no longer counts.
"""

import hashlib
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from autoscale.errors import Overloaded
from autoscale.fleet.log_state import LogState, Verdict
from autoscale.fleet.manifest import Change, LogKey
from autoscale.fleet.rows import Rows, joined, none
from autoscale.fleet.store import Intake, Ledger
from autoscale.fleet.validation import REASONS, Rules, judge
from autoscale.units import us_from_s

MOST_ROWS: Final = 1 << 18
"""In one commit: what bounds its memory."""

IDLE_S: Final = 2.0
"""So long without a batch, and there is time to merge small files."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the rows of a batch."""

    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch that waits to be committed: rows of one log, or content that cannot be read as rows."""

    key: LogKey
    rows: Rows
    lost: dict[str, int] = field(default_factory=dict)
    unreadable: bytes = b""
    told_rows: int = 0
    receipt: "Future[Receipt]" = field(default_factory=Future)


class Committer:
    """The one thread that writes a ledger.

    Args:
        ledger: where to; closed with the committer.
        rules: which rows it takes.
    """

    def __init__(self, ledger: Ledger, rules: Rules) -> None:
        self._ledger, self._rules = ledger, rules
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._is_closed = False
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="fleet-commit")
        self._thread.start()

    def deliver(self, delivery: Delivery) -> Receipt:
        """Wait until a batch is on disk.

        Raises:
            Overloaded: the disk is full or fails, or the collector stops; the batch should come again.
        """
        with self._guard:
            if self._is_closed:
                raise Overloaded("the collector is stopping; send the batch again later")
            self._waiting.put(delivery)
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
                self._compact()
                first = self._waiting.get()
            group, goes_on = self._group(first)
            if group:
                self._commit(group)

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
        try:
            receipts = self._write(group)
        except Exception as error:  # whatever it is, it must reach those who wait, and the thread must go on
            for each in group:
                each.receipt.set_exception(Overloaded(f"the ledger cannot be written: {error}; send it again later"))
            return
        for each, receipt in zip(group, receipts, strict=True):
            each.receipt.set_result(receipt)

    def _write(self, group: Sequence[Delivery]) -> list[Receipt]:
        states: dict[LogKey, LogState] = {}
        verdicts = [self._admit(each, states) for each in group]
        parts = [_fresh(each, verdict) for each, verdict in zip(group, verdicts, strict=True)]
        rows = joined(parts)
        reasons = judge(rows, self._rules, us_from_s(time.time()))
        ends = np.cumsum([len(each) for each in parts])
        rejected = [int(np.count_nonzero(each >= 0)) for each in np.split(reasons, ends[:-1])]
        unreadable, truncated = self._unreadable(group)
        counts = {f"rejected:{name}": int(np.count_nonzero(reasons == i)) for i, name in enumerate(REASONS)}
        counts["rejected:truncated"] += truncated
        counts["duplicate"] = sum(each.duplicate for each in verdicts)
        counts["reordered"] = sum(each.reordered for each in verdicts)
        lost = {each.key: each.lost for each in group if each.key in states}
        change = Change(logs=states, lost=lost, counts={name: count for name, count in counts.items() if count})
        self._ledger.commit(Intake(rows, reasons, unreadable, change))
        return [
            Receipt(len(part) - bad, verdict.duplicate, bad)
            for part, verdict, bad in zip(parts, verdicts, rejected, strict=True)
        ]

    def _admit(self, delivery: Delivery, states: dict[LogKey, LogState]) -> Verdict:
        if not len(delivery.rows):
            return Verdict(np.ones(0, np.bool_))
        state = states.get(delivery.key) or self._ledger.manifest.log(delivery.key)
        states[delivery.key], verdict = state.admit(delivery.rows.numbers["sequence"])
        return verdict

    def _unreadable(self, group: Sequence[Delivery]) -> tuple[dict[str, bytes], int]:
        """Contents to keep by their sha256, each once however often it is sent, and the rows they say they have."""
        fresh: dict[str, bytes] = {}
        rows = 0
        for each in group:
            name = hashlib.sha256(each.unreadable).hexdigest()
            if each.unreadable and name not in fresh and not self._ledger.has_unreadable(name):
                fresh[name] = each.unreadable
                rows += each.told_rows
        return fresh, rows

    def _compact(self) -> None:
        for day in self._ledger.crowded_days():
            try:
                self._ledger.compact(day)
            except OSError:  # the small files stay, and count
                return
            if not self._waiting.empty():
                return


def unreadable(content: bytes, told_rows: int) -> Delivery:
    """A delivery of what cannot be read as rows."""
    return Delivery(("", ""), none(), unreadable=content, told_rows=told_rows)


def _fresh(delivery: Delivery, verdict: Verdict) -> Rows:
    return delivery.rows.take(verdict.is_fresh) if verdict.duplicate else delivery.rows
