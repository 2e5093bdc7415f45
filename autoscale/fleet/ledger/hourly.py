"""Hourly sums as a device makes and sends them in place of rows, so that nothing names it: numpy alone.

They are those of ``rollup.py``, which DuckDB makes of a ledger's rows, number by number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from autoscale.fleet.ledger.column import MOST
from autoscale.fleet.ledger.consistency import inconsistent_sums
from autoscale.fleet.ledger.rollup import (
    ALIKE,
    CARBON,
    FIGURES,
    HOUR_US,
    LEAST_PPB,
    MILLI_PPB,
    MOST_WEIGHED_NG,
    SUMMED,
    SUMS,
    WEIGHED,
)
from autoscale.fleet.ledger.rows import Ints, Mask, Rows, Texts, joined_texts
from autoscale.fleet.ledger.schema import BY_NAME, MOST_PUE
from autoscale.fleet.ledger.validation import FIRST_TIME_US, REASONS, Reasons, Rules, check_of
from autoscale.units import MICRO_PER_UNIT

MOST_INFERENCES: Final = 2**32
"""Of one sum: over a million a second."""

_NUMBERS: Final = tuple(name for name, kind in SUMS.items() if kind == "int64")


@dataclass(frozen=True, slots=True)
class HourlySums:
    """Sums of queries that are alike and came in one hour; columns of ``SUMS``.

    Attributes:
        numbers: each of shape (sums,).
        texts: absent ones empty.
    """

    numbers: Mapping[str, Ints]
    texts: Mapping[str, Texts]

    def __len__(self) -> int:
        return len(self.numbers["inferences"])

    @property
    def inferences(self) -> int:
        """How many queries they are of."""
        return int(self.numbers["inferences"].sum())

    def take(self, which: Mask | Ints) -> "HourlySums":
        """The sums of a mask or of indices."""
        numbers = {name: values[which] for name, values in self.numbers.items()}
        return HourlySums(numbers, {name: texts.take(which) for name, texts in self.texts.items()})


def hourly_sums(rows: Rows) -> HourlySums:
    """The sums of rows that ``validate`` takes; one row at least.

    Where the weights of some would not go into 64 bits they are 0: those queries stand for no others.
    """
    codes = {name: rows.texts[name].trimmed() for name in ALIKE}
    time_us = rows.numbers["time_us"]
    hour_us = time_us - time_us % HOUR_US
    keys = np.column_stack([hour_us, *(each.codes for each in codes.values())])
    groups, group_of = np.unique(keys, axis=0, return_inverse=True)
    group_of, count = group_of.reshape(-1), len(groups)
    values = _summed_columns(rows)
    numbers = {"hour_us": groups[:, 0], "inferences": np.bincount(group_of, minlength=count).astype(np.int64)}
    for name, least in (("first_us", True), ("last_us", False)):
        numbers[name] = np.full(count, MOST["int64"] if least else 0, np.int64)
        (np.minimum if least else np.maximum).at(numbers[name], group_of, time_us)
    for name in (*SUMMED, *WEIGHED):
        numbers[name] = np.zeros(count, np.int64)
        np.add.at(numbers[name], group_of, values[name])
    is_held = np.bincount(group_of, values["weighed_ng_milli"].astype(np.float64), count) < MOST["int64"]
    numbers |= {name: np.where(is_held, numbers[name], 0) for name in WEIGHED}
    texts = {name: Texts(groups[:, 1 + i].astype(np.int32), codes[name].words) for i, name in enumerate(ALIKE)}
    return HourlySums({name: numbers[name] for name in _NUMBERS}, texts)


def validate_sums(sums: HourlySums, rules: Rules, now_us: int) -> Reasons:
    """For every sum the index into ``REASONS`` of why it is rejected, or -1; shape (sums,).

    A sum is held to the bounds of so many queries. What only a row tells (whether its joules fit its own intensity,
    its device, its clock before and after) no sum can.
    """
    reasons = np.full(len(sums), -1, np.int8)

    def reject(which: Mask, reason: str) -> None:
        reasons[which & (reasons < 0)] = REASONS.index(reason)

    numbers, inferences = sums.numbers, sums.numbers["inferences"]
    for name in _NUMBERS:
        reject(numbers[name] < (1 if name == "inferences" else 0), "negative")
    reject(inferences > MOST_INFERENCES, "out_of_range")
    times = inferences.astype(np.float64)
    for name, limit in _LIMITS.items():
        reject(numbers[name] > limit * times, "out_of_range")
    hour_us, first_us, last_us = (numbers[name] for name in ("hour_us", "first_us", "last_us"))
    reject((hour_us % HOUR_US != 0) | (first_us < hour_us) | (last_us < first_us), "inconsistent")
    reject(last_us - hour_us >= HOUR_US, "inconsistent")
    reject(hour_us > now_us + rules.ahead_s * 1e6, "future_dated")
    reject(hour_us < max(FIRST_TIME_US, now_us - rules.behind_s * 1e6), "past_dated")
    for name, texts in sums.texts.items():
        reason, is_known = check_of(BY_NAME[name], rules)
        wrong = [code for code, word in enumerate(texts.words) if not is_known(word)]
        if wrong:
            reject(np.isin(texts.codes, wrong), reason)
    reject(inconsistent_sums(numbers, times), "inconsistent")
    return reasons


_LIMITS: Final = {
    **{name: BY_NAME[name].limit for name in FIGURES if name != "missed"},
    "missed": 1,
    "building_uj": BY_NAME["energy_remote_uj"].limit * (MOST_PUE - 1.0),
    "weight_milli": MILLI_PPB // LEAST_PPB,
    "weighed_missed_milli": MILLI_PPB // LEAST_PPB,
    "weighed_ng_milli": MILLI_PPB // LEAST_PPB * MOST_WEIGHED_NG,
}
"""The most of one query."""


def _summed_columns(rows: Rows) -> dict[str, Ints]:
    """What is summed, of each row."""
    numbers = rows.numbers
    is_short = (numbers["accuracy_ppm"] >= 0) & (numbers["accuracy_ppm"] < numbers["goal_accuracy_ppm"])
    missed = ((numbers["is_late"] != 0) | is_short).astype(np.int64)
    ppb = numbers["probability_ppb"]
    stands = (ppb >= LEAST_PPB) & (_words(rows.texts["chosen"]) == _words(rows.texts["selected"]))
    weight = np.where(stands, MILLI_PPB // np.maximum(ppb, 1), 0)
    carbon_ng = sum((numbers[name] for name in CARBON[1:]), numbers[CARBON[0]])
    overhead = np.maximum(numbers["pue_remote_ppm"], MICRO_PER_UNIT) - MICRO_PER_UNIT
    made = {
        "missed": missed,
        "weight_milli": weight,
        "weighed_ng_milli": weight * np.minimum(carbon_ng, MOST_WEIGHED_NG),
        "weighed_missed_milli": weight * missed,
        "building_uj": numbers["energy_remote_uj"] * overhead // MICRO_PER_UNIT,
    }
    return {name: numbers[name] for name in FIGURES if name != "missed"} | made


def _words(texts: Texts) -> Any:
    return np.array(texts.words, object)[texts.codes]


def counted(sums: HourlySums, which: Mask | None = None) -> int:
    """As how many queries rejected sums count: as they say, as far as that can be, and one each at least."""
    inferences = sums.numbers["inferences"] if which is None else sums.numbers["inferences"][which]
    return int(np.clip(inferences, 1, MOST_INFERENCES).sum())


def joined_sums(parts: Sequence[HourlySums]) -> HourlySums:
    """Sums one after the other; one part at least."""
    numbers = {name: np.concatenate([each.numbers[name] for each in parts]) for name in _NUMBERS}
    texts = {name: joined_texts([each.texts[name] for each in parts]) for name in ALIKE}
    return HourlySums(numbers, texts)
