"""What devices learned, made one: nobody waits for anybody, and one device's part cannot be told."""

import math

import numpy as np
import pytest

from autoscale import Target
from autoscale.agents.correction.hierarchy import QUANTITIES
from autoscale.agents.correction.pooling import CELLS, CLIP, Pool, Privacy, Statement
from autoscale.errors import InvalidInput

TARGETS = tuple(map(Target.parse, ("device:cpu/fp32", "device:npu/int8", "cloud:gpu/fp32")))
OPEN = Privacy(math.inf, least_devices=1)


def statement(value: float, tried: int = 3, network: str = "net", weight: float = 5.0) -> Statement:
    seen = np.where(np.arange(3) < tried, weight, 0.0)
    return Statement({network: np.where(seen > 0.0, value, math.nan) * np.ones((QUANTITIES, 1))}, {network: seen})


def dice() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_mean_of_devices_is_what_a_new_one_starts_from() -> None:
    pool = Pool(TARGETS)
    pool.add("a", statement(0.1))
    pool.add("b", statement(0.3, tried=1))
    found = pool.release(OPEN, dice())["net"]
    assert found[0].tolist() == pytest.approx([0.2, 0.1, 0.1])


def test_a_devices_latest_statement_counts_once_in_any_order() -> None:
    pool, other = Pool(TARGETS), Pool(TARGETS)
    for device, value in (("a", 0.5), ("b", 0.3), ("a", 0.1)):
        pool.add(device, statement(value))
    for device, value in (("a", 0.1), ("b", 0.3)):
        other.add(device, statement(value))
    assert len(pool) == 2
    assert np.array_equal(pool.release(OPEN, dice())["net"], other.release(OPEN, dice())["net"])


def test_one_devices_weight_is_bounded() -> None:
    targets = tuple(Target.parse(f"device:cpu/fp32@{number}t") for number in range(1, 200))
    wild = np.full((QUANTITIES, len(targets)), 50.0)
    bounded = Statement({"net": wild}, {"net": np.arange(1.0, 200.0)}).bounded()
    assert np.isfinite(bounded.residual["net"]).all(axis=0).sum() <= CELLS
    assert np.nanmax(np.abs(bounded.residual["net"])) == CLIP


def test_what_few_devices_tried_is_not_told() -> None:
    pool = Pool(TARGETS)
    for number in range(25):
        pool.add(str(number), statement(0.2, tried=3 if number < 10 else 2))
    found = pool.release(Privacy(math.inf, least_devices=20), dice())["net"]
    assert found[0].tolist() == pytest.approx([0.2, 0.2, 0.0])


def test_noise_hides_a_device_and_not_the_fleet() -> None:
    pool = Pool(TARGETS)
    for number in range(3000):
        pool.add(str(number), statement(0.3))
    privacy = Privacy(2.0)
    told = np.array([pool.release(privacy, np.random.default_rng(seed))["net"] for seed in range(50)])
    assert abs(told.mean() - 0.3) < 0.02
    assert told.std() > CLIP / 3000  # more than any one device could move it by


@pytest.mark.parametrize("wrong", [{"epsilon": 0.0}, {"delta": 0.0}, {"least_devices": 0}, {"epsilon": math.nan}])
def test_bad_privacy_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Privacy(**wrong)  # type: ignore[arg-type]


def test_other_targets_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"statement of 'net' is \(3, 2\)"):
        Pool(TARGETS).add("a", Statement({"net": np.zeros((3, 2))}, {"net": np.zeros(2)}))
