"""Which rows of many batches count: those that had not arrived before, can be true, and have a clock to be believed.

What holds for most batches (they follow what their log had, in order, and nothing is wrong) is found for all of them
at once; only the others are looked at one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.fleet.ledger.clock import SET_BACK_US, reset_rows
from autoscale.fleet.ledger.log_state import LogState
from autoscale.fleet.ledger.manifest import LogKey
from autoscale.fleet.ledger.rows import Ints, Mask, Rows
from autoscale.fleet.ledger.validation import REASONS, Reasons, Rules, validate
from autoscale_runtime._proto import fleet_pb2 as pb

_CLOCK_RESET: Final = REASONS.index("clock_reset")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the rows of a batch."""

    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the rows of many batches.

    Attributes:
        rows: those that had not arrived before.
        reasons: why each of them is rejected, as ``validate`` says.
        states: of the logs, with these rows.
        counts: what to add to the ledger's counts.
        receipts: of each batch, in their order.
    """

    rows: Rows
    reasons: Reasons
    states: Mapping[LogKey, LogState]
    counts: Mapping[str, int]
    receipts: Sequence[Receipt]


def judge(
    rows: Rows, batches: Sequence[pb.Batch], known: Callable[[LogKey], LogState | None], rules: Rules, now_us: int
) -> Judged:
    """Judge the rows of batches, one batch after the other.

    Args:
        rows: of all batches.
        batches: whose they are; none is empty.
        known: what had arrived of a log; None for nothing.
        rules: which rows are taken.
        now_us: the time of arrival, since 1970-01-01 UTC.
    """
    arrivals = _Arrivals(known)
    sent = np.array([each.rows for each in batches], np.int64)
    is_fresh = arrivals.admit(rows.numbers["sequence"], batches, sent)
    fresh = rows if arrivals.duplicate == 0 else rows.take(is_fresh)
    batch_of_row = np.repeat(np.arange(len(batches)), sent)[is_fresh]
    lengths = np.bincount(batch_of_row, minlength=len(batches))
    reasons = validate(fresh, rules, now_us)
    set_back = arrivals.look_at_clocks(fresh, reasons, lengths)
    accepted = np.bincount(batch_of_row[reasons < 0], minlength=len(batches))
    columns = (accepted.tolist(), (sent - lengths).tolist(), (lengths - accepted).tolist())
    rejected = np.bincount(reasons[reasons >= 0], minlength=len(REASONS)).tolist()
    counts = {f"rejected:{reason}": count for reason, count in zip(REASONS, rejected, strict=True)}
    counts |= {"duplicate": arrivals.duplicate, "reordered": arrivals.reordered, "clock_set_back": set_back}
    return Judged(fresh, reasons, arrivals.states, counts, [Receipt(*each) for each in zip(*columns, strict=True)])


class _Arrivals:
    """What arrived of the logs of some batches.

    Attributes:
        states: of the logs, after these batches.
        duplicate: rows that had arrived before.
        reordered: rows that came after a later one.
    """

    def __init__(self, known: Callable[[LogKey], LogState | None]) -> None:
        self.states: dict[LogKey, LogState] = {}
        self.duplicate = self.reordered = 0
        self._known = known
        self._keys: list[LogKey] = []
        self._high_waters: list[int] = []

    def admit(self, sequence: Ints, batches: Sequence[pb.Batch], lengths: Ints) -> Mask:
        """Take note of rows that arrived; which of them had not before, shape (rows,)."""
        is_fresh = np.ones(len(sequence), np.bool_)
        ends = np.cumsum(lengths)
        spans = zip((ends - lengths).tolist(), ends.tolist(), _are_runs(sequence, lengths).tolist(), strict=True)
        for batch, (start, end, is_run) in zip(batches, spans, strict=True):
            key = batch.device_id, batch.log_id
            state = (self.states.get(key) or self._known(key) or LogState()).beginning(batch.begins)
            self._keys.append(key)
            self._high_waters.append(state.high_water)
            if is_run and sequence[start] == state.high_water + 1:
                self.states[key] = state.followed_by(end - start)
                continue
            self.states[key], verdict = state.admit(sequence[start:end])
            is_fresh[start:end] = verdict.is_fresh
            self.duplicate += verdict.duplicate
            self.reordered += verdict.reordered
        return is_fresh

    def look_at_clocks(self, rows: Rows, reasons: Reasons, lengths: Ints) -> int:
        """Reject rows of clocks that were lost, note when the logs' rows are; how often one was set back by less.

        Args:
            rows: the fresh ones of the batches, in their order.
            reasons: why each is rejected already; written to.
            lengths: how many of them are of each batch.
        """
        sequence, time_us = (rows.numbers[name] for name in ("sequence", "time_us"))
        ends, is_plain = np.cumsum(lengths), _are_plain(sequence, time_us, reasons, lengths)
        set_back = 0
        for key, high_water, start, end, plain in zip(
            self._keys, self._high_waters, (ends - lengths).tolist(), ends.tolist(), is_plain.tolist(), strict=True
        ):
            if plain:
                state, first_us = self.states[key], int(time_us[start])
                if first_us >= (state.last_us if sequence[start] > high_water else state.first_us):
                    self.states[key] = state.lasting(first_us, int(time_us[end - 1]))
                    continue
            part = slice(start, end)
            set_back += self._look_at_clock(key, high_water, sequence[part], time_us[part], reasons[part])
        return set_back

    def _look_at_clock(self, key: LogKey, high_water: int, sequence: Ints, time_us: Ints, reasons: Reasons) -> int:
        """Of one batch; a batch that came late says nothing of the clock between it and the last one."""
        is_good = reasons < 0
        sequence, time_us = sequence[is_good], time_us[is_good]
        if not len(time_us):
            return 0
        state = self.states[key]
        follows = state.last_us if sequence.min() > high_water else 0
        reset = reset_rows(sequence, time_us, follows or state.first_us)
        if reset.any():
            reasons[np.flatnonzero(is_good)[reset]] = _CLOCK_RESET
            sequence, time_us = sequence[~reset], time_us[~reset]
            if not len(time_us):
                return 0
        in_order = time_us[np.argsort(sequence, kind="stable")]
        self.states[key] = state.lasting(int(in_order.min()), int(in_order[-1]))
        return int(np.count_nonzero(np.diff(in_order, prepend=follows) < -SET_BACK_US))


def _are_runs(sequence: Ints, lengths: Ints) -> Mask:
    """Of batches whether their rows are numbered one after the other; none of them is empty."""
    is_odd = np.zeros(len(sequence), np.bool_)
    is_odd[1:] = np.diff(sequence) != 1
    return _without(is_odd, lengths)


def _are_plain(sequence: Ints, time_us: Ints, reasons: Reasons, lengths: Ints) -> Mask:
    """Of batches whether all rows are accepted and rise in number and time; not of one without rows."""
    is_odd = np.zeros(len(sequence), np.bool_)
    is_odd[1:] = (np.diff(sequence) <= 0) | (np.diff(time_us) < 0)
    is_plain = np.zeros(len(lengths), np.bool_)
    filled = lengths > 0
    is_plain[filled] = _without(is_odd, lengths[filled]) & _without(reasons >= 0, lengths[filled], first=True)
    return is_plain


def _without(is_odd: Mask, lengths: Ints, first: bool = False) -> Mask:
    """Of batches that have rows whether no row is odd; the first one counts where it says."""
    if not len(lengths):
        return np.zeros(0, np.bool_)
    starts = np.cumsum(lengths) - lengths
    if not first:
        is_odd[starts] = False
    none: Mask = ~np.logical_or.reduceat(is_odd, starts)
    return none
