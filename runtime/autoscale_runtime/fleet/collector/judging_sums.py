"""Which hourly sums that devices sent count: those of messages that had not come before, and that can be true."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autoscale.fleet.ledger.hourly import HourlySums, counted, joined_sums, validate_sums
from autoscale.fleet.ledger.validation import REASONS, Reasons, Rules
from autoscale_runtime.fleet.collector.judging import Receipt
from autoscale_runtime.fleet.sums import SumsMessage


@dataclass(frozen=True, slots=True)
class JudgedSums:
    """What became of messages of sums.

    Attributes:
        accepted: all together; None for none.
        rejected: those that are not taken, and why; None for none.
        taken: keys of the messages that had not come before.
        counts: what to add to the ledger's counts.
        receipts: of each message, in their order; they count queries.
    """

    accepted: HourlySums | None
    rejected: tuple[HourlySums, Reasons] | None
    taken: Sequence[bytes]
    counts: Mapping[str, int]
    receipts: Sequence[Receipt]


def judge_sums(
    messages: Sequence[SumsMessage], has_come: Callable[[bytes], bool], rules: Rules, now_us: int
) -> JudgedSums:
    """Judge messages of sums.

    Args:
        messages: in the order in which they came.
        has_come: whether a message of a key had come before.
        rules: which sums are taken.
        now_us: the time of arrival, since 1970-01-01 UTC.
    """
    seen: dict[bytes, None] = {}
    counts, receipts = Counter[str](), list[Receipt]()
    good, bad, why = list[HourlySums](), list[HourlySums](), list[Reasons]()
    for each in messages:
        queries = counted(each.sums)
        if each.key in seen or has_come(each.key):
            counts["duplicate"] += queries
            receipts.append(Receipt(0, queries, 0))
            continue
        seen[each.key] = None
        reasons = validate_sums(each.sums, rules, now_us)
        is_good = reasons < 0
        if np.any(is_good):
            good.append(each.sums.take(is_good))
        if not np.all(is_good):
            bad.append(each.sums.take(~is_good))
            why.append(reasons[~is_good])
        for index, reason in enumerate(REASONS):
            counts[f"rejected:{reason}"] += counted(each.sums, reasons == index)
        counts.update({f"lost:{cause}": rows for cause, rows in each.lost.items()})
        rejected = counted(each.sums, ~is_good)
        receipts.append(Receipt(queries - rejected, 0, rejected))
    return JudgedSums(
        joined_sums(good) if good else None,
        (joined_sums(bad), np.concatenate(why)) if bad else None,
        list(seen),
        counts,
        receipts,
    )
