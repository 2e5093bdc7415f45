"""A bundle as ``autoscale prepare`` wrote it is read with its profile, digests and accuracies, and answers as then."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from autoscale import Goal, load_network
from autoscale_runtime import Session, SessionOptions
from tests.golden_files import GOLDEN

ANSWERS: dict[str, list[float]] = json.loads((GOLDEN / "bundle_answers.json").read_text())
"""Precision to what its variant answers to ``FEEDS``."""

FEEDS = {"x": np.random.default_rng(99).standard_normal((1, 3, 16, 16)).astype(np.float32)}


SCHEMAS = ("bundle", "bundle-schema-2")


def session(folder: str, **options: Any) -> Session:
    return Session(GOLDEN / folder, Goal(), options=SessionOptions(sensors=(), **options))


@pytest.mark.parametrize("folder", SCHEMAS)
def test_a_golden_bundle_is_what_it_was(folder: str) -> None:
    wanted = json.loads((GOLDEN / f"{folder}.json").read_text())
    with session(folder) as opened:
        bundle = opened.bundle
    profile = json.loads(json.dumps(asdict(bundle.profile), default=dict))
    assert {name: profile.get(name) for name in wanted["profile"]} == wanted["profile"]
    variants = {each.precision: [each.sha256, each.accuracy and each.accuracy.value] for each in bundle.variants}
    assert variants == wanted["variants"]


@pytest.mark.parametrize("folder", SCHEMAS)
def test_the_simulator_takes_it_as_it_is(folder: str) -> None:
    with session(folder) as opened:
        assert load_network(GOLDEN / folder / "model.toml") == opened.bundle.profile


@pytest.mark.parametrize("folder", SCHEMAS)
@pytest.mark.parametrize("precision", sorted(ANSWERS))
def test_each_variant_answers_as_it_did(folder: str, precision: str) -> None:
    with session(folder, target=f"device:cpu/{precision}@1t") as opened:
        [answer] = opened.run(None, FEEDS)
    # In int8 processors without dot products of it saturate: ONNX Runtime adds pairs of products in 16 bits there.
    assert np.ravel(answer) == pytest.approx(ANSWERS[precision], abs=0.1 if precision == "int8" else 0.02)
