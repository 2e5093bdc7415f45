"""Rows that were rejected because of what the collector did not know, validated again once it does."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.fleet.ledger.arrow import rows_of_rejected
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.manifest import Change
from autoscale.fleet.ledger.rows import Rows, Texts
from autoscale.fleet.ledger.store import Intake, Ledger
from autoscale.fleet.ledger.validation import REASONS, Reasons, Rules, validate
from autoscale.fleet.ledger.view import is_as_written
from autoscale.units import us_from_s

NAMED_BY: Final = {
    "unknown_device": ("device_id",),
    "unknown_profile": ("device_model",),
    "unknown_region": ("region_device", "region_network", "region_remote"),
}
"""Reasons that better knowledge may lift, and the columns whose names were unknown. A row that cannot be true stays."""


@dataclass(frozen=True, slots=True)
class Readmission:
    """What became of the quarantine.

    Attributes:
        accepted: rows that count from now on.
        kept: reason to rows that stay in it, of those in ``NAMED_BY``.
        names: reason to the names that those rows have in its columns.
    """

    accepted: int
    kept: Mapping[str, int]
    names: Mapping[str, frozenset[str]]


def readmit(ledger: Ledger, rules: Rules) -> Readmission:
    """Validate again what lies in quarantine for want of knowledge; unknown devices only where the rules tell devices.

    One commit for each file: its rows leave quarantine and count in one moment, or not at all. That they arrived is
    known since then, so one that a device sends again is a duplicate before and after.

    Raises:
        OSError: the disk is full or fails, or a file in quarantine is damaged inside; files before it are done.
        InvalidInput: a later version wrote a file in quarantine; likewise.
    """
    accepted, kept = 0, Counter[str]()
    names: dict[str, set[str]] = {}
    for entry in ledger.manifest.entries(""):
        if entry.path.endswith(".parquet") and is_as_written(ledger.folder / entry.path, entry):
            rows, now = _validate_again(ledger, entry, rules)
            accepted += int(np.count_nonzero(now < 0))
            for reason, columns in NAMED_BY.items():
                stays = now == REASONS.index(reason)
                kept[reason] += int(np.count_nonzero(stays))
                found = (rows.texts[name].take(stays).trimmed().words for name in columns)
                names.setdefault(reason, set()).update(*found)
    stay = {reason: count for reason, count in kept.items() if count}
    return Readmission(accepted, stay, {reason: frozenset(names[reason] - {""}) for reason in stay})


def _validate_again(ledger: Ledger, entry: Entry, rules: Rules) -> tuple[Rows, Reasons]:
    """The rows of a file, and why each is rejected now."""
    rows, rejected = rows_of_rejected(ledger.folder / entry.path)
    before = _reasons(rejected)
    open_reasons = [each for each in NAMED_BY if each != "unknown_device" or rules.devices is not None]
    is_open = np.isin(before, [REASONS.index(each) for each in open_reasons])
    now = np.where(is_open, validate(rows, rules, us_from_s(time.time())), before).astype(np.int8)
    if np.any(now != before):
        counts = {f"rejected:{name}": _count(now, i) - _count(before, i) for i, name in enumerate(REASONS)}
        changed = {name: count for name, count in counts.items() if count}
        ledger.commit(Intake(rows, now, change=Change(retired=(entry.path,), counts=changed)))
    return rows, now


def _reasons(rejected: Texts) -> Reasons:
    return np.array([REASONS.index(word) for word in rejected.words], np.int8)[rejected.codes]


def _count(reasons: Reasons, which: int) -> int:
    return int(np.count_nonzero(reasons == which))
