"""Which rows the ledger takes, and why it does not take the others."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autoscale.fleet.ledger.column import NOT_A_NUMBER, Column
from autoscale.fleet.ledger.consistency import inconsistent
from autoscale.fleet.ledger.rows import Mask, Rows
from autoscale.fleet.ledger.schema import BY_NAME, SCHEMA
from autoscale.units import SECONDS_PER_HOUR

REASONS: Final = (
    "truncated",
    "not_a_number",
    "negative",
    "out_of_range",
    "future_dated",
    "past_dated",
    "unknown_device",
    "unknown_profile",
    "unknown_region",
    "unknown_word",
    "inconsistent",
    "clock_reset",
)
"""Why a row is rejected. ``truncated`` is for what cannot even be read as rows; of the others the first that fits."""

FIRST_TIME_US: Final = 1_577_836_800_000_000
"""2020-01-01 UTC: an earlier row was made by a clock that had not been set."""

Reasons = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a collector knows of its fleet; None takes any.

    Attributes:
        devices: the installations there are (``device_id``).
        device_models: the device profiles there are.
        is_region: whether an electricity region is one.
        ahead_s: how far ahead of the collector's a device's clock may be.
        behind_s: how long ago a row may be from that it arrives; a phone may be offline for months.
    """

    devices: frozenset[str] | None = None
    device_models: frozenset[str] | None = None
    is_region: Callable[[str], bool] | None = None
    ahead_s: float = SECONDS_PER_HOUR
    behind_s: float = math.inf


def validate(rows: Rows, rules: Rules, now_us: int) -> Reasons:
    """For every row the index into ``REASONS`` of why it is rejected, or -1; shape (rows,)."""
    reasons = np.full(len(rows), -1, np.int8)

    def reject(which: Mask, reason: str) -> None:
        reasons[which & (reasons < 0)] = REASONS.index(reason)

    _check_numbers(rows, reject)
    time_us = rows.numbers["time_us"]
    latest_us, earliest_us = now_us + rules.ahead_s * 1e6, max(FIRST_TIME_US, now_us - rules.behind_s * 1e6)
    if len(rows) and (time_us.max() > latest_us or time_us.min() < earliest_us):
        reject(time_us > latest_us, "future_dated")
        reject(time_us < earliest_us, "past_dated")
    for name, texts in rows.texts.items():
        reason, is_known = check_of(BY_NAME[name], rules)
        wrong = [code for code, word in enumerate(texts.words) if not is_known(word)]
        if wrong:
            reject(np.isin(texts.codes, wrong), reason)
    reject(inconsistent(rows), "inconsistent")
    return reasons


def _check_numbers(rows: Rows, reject: Callable[[Mask, str], None]) -> None:
    wrong = {}
    for name, values in rows.numbers.items():
        column = BY_NAME[name]
        limit = SCHEMA if name == "schema" else column.limit
        if len(values) and (values.min() < column.least or values.max() > limit):
            wrong[name] = (column.least, limit)
    for name in wrong:
        reject(rows.numbers[name] == NOT_A_NUMBER, "not_a_number")
    for name, (least, _) in wrong.items():
        reject(rows.numbers[name] < least, "negative")
    for name, (_, limit) in wrong.items():
        reject(rows.numbers[name] > limit, "out_of_range")


def check_of(column: Column, rules: Rules) -> tuple[str, Callable[[str], bool]]:
    """Why a text of a column may be rejected, and whether one is not."""
    if column.name == "device_id" and rules.devices is not None:
        return "unknown_device", rules.devices.__contains__
    if column.name == "device_model" and rules.device_models is not None:
        return "unknown_profile", rules.device_models.__contains__
    is_region = rules.is_region
    if column.name.startswith("region_") and is_region is not None:
        return "unknown_region", lambda word: not word or is_region(word)
    return "unknown_word", lambda word: _is_word_of(column, word)


def _is_word_of(column: Column, word: str) -> bool:
    if not word:
        return column.optional
    return len(word) <= column.longest and word.isprintable() and (not column.words or word in column.words)
