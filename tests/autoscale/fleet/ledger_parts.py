"""Ledgers to account for: rows of the given columns over good ones, and a random fleet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autoscale.fleet.ledger.rollup import FIGURES
from autoscale.fleet.ledger.rows import Rows, Texts
from autoscale.fleet.ledger.schema import COLUMNS
from autoscale.fleet.ledger.store import Ledger
from autoscale.query.target import Target

DAY_US = 86_400_000_000
FIRST_US = 1_793_491_200_000_000
"""2026-11-01 UTC."""

TARGETS = ("device:cpu/int8@1766MHz", "device:gpu/fp16", "edge:tab-s6:npu/int8", "cloud:gpu/fp32")

ANSWERED_AT = ("place", "processor", "precision")

GOOD: Mapping[str, Any] = {
    "schema": 1,
    "device_id": "a",
    "log_id": "log",
    "session_id": "session",
    "time_us": FIRST_US,
    "device_model": "mi8pro",
    "model": "mobilenet-v1",
    "objective": "carbon",
    "requested": "AUTO",
    "chosen": TARGETS[0],
    "selected": TARGETS[0],
    "place": "device",
    "processor": "cpu",
    "precision": "int8",
    "attempts": 1,
    "accuracy_ppm": -1,
    "goal_accuracy_ppm": -1,
    "methods": "energy_j.device=modelled;latency_s=measured",
    "intensity_device_kind": "average",
}


def rows(count: int, **columns: Any) -> Rows:
    """Rows with these values, one for all or one each."""
    values = {"sequence": np.arange(count), **GOOD, **columns}
    if "operational_low_ng" not in columns:
        values |= _ends(values)
    numbers = {
        each.name: np.array(np.broadcast_to(values.get(each.name, 0), count), np.int64)
        for each in COLUMNS
        if not each.is_text
    }
    return Rows(numbers, {each.name: _texts(values.get(each.name, ""), count) for each in COLUMNS if each.is_text})


def random_rows(count: int, seed: int, days: int = 3) -> Rows:
    """A fleet of 40 devices of 3 models in 3 regions, with 4 targets and 2 networks."""
    dice = np.random.default_rng(seed)
    devices = dice.integers(0, 40, count)
    targets = dice.integers(0, len(TARGETS), count)
    figures = {name: dice.integers(0, 10**6, count) for name in FIGURES if name != "missed"}
    is_far = targets >= 2
    return rows(
        count,
        **figures,
        device_id=[f"device-{each}" for each in devices],
        device_model=[("mi8pro", "s10e", "unheard-of")[each % 3] for each in devices],
        region_device=[("FRA", "DEU", "")[each % 3] for each in devices],
        region_remote=["gcp:europe-west1" if far else "" for far in is_far],
        model=[("mobilenet-v1", "mobilebert")[each] for each in dice.integers(0, 2, count)],
        selected=[TARGETS[each] for each in targets],
        **{part: [getattr(Target.parse(TARGETS[each]), part) for each in targets] for part in ANSWERED_AT},
        time_us=FIRST_US + dice.integers(0, days * DAY_US, count),
        is_late=dice.random(count) < 0.1,
        accuracy_ppm=dice.integers(-1, 10**6, count),
        goal_accuracy_ppm=dice.integers(-1, 2, count) * 500_000,
    )


def written(folder: Path, *batches: Rows) -> Path:
    """A ledger of some commits."""
    with Ledger(folder) as ledger:
        for each in batches:
            ledger.write(each)
    return folder


def _ends(values: Mapping[str, Any]) -> dict[str, Any]:
    """No range: both ends are the sums of the parts."""
    sums = {
        kind: sum(np.asarray(values.get(f"{kind}_{part}_ng", 0)) for part in ("device", "network", "remote"))
        for kind in ("operational", "embodied")
    }
    return {f"{kind}_{end}_ng": total for kind, total in sums.items() for end in ("low", "high")}


def _texts(value: str | Sequence[str], count: int) -> Texts:
    if isinstance(value, str):
        return Texts.same(value, count)
    words, codes = np.unique(np.array(value, dtype=object).astype(str), return_inverse=True)
    return Texts(codes.astype(np.int32), tuple(words.tolist()))
