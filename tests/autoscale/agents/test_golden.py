"""Policies of format 1 are read with all that they had learned."""

import json

import numpy as np
import pytest

from autoscale import load_policy
from tests.golden_files import GOLDEN

STATES = json.loads((GOLDEN / "policies" / "state.json").read_text())
"""Agent to array to its shape and the sum of its finite values."""
KEPT = sorted({*STATES} - {"cost-model"})


@pytest.mark.parametrize("name", KEPT)
def test_a_golden_policy_knows_what_it_knew(name: str) -> None:
    agent = load_policy(GOLDEN / "policies" / f"{name}.npz")
    assert [str(each) for each in agent.targets] == [
        "device:cpu/fp32@1t",
        "device:cpu/fp32@2t",
        "device:cpu/int8@1t",
        "device:cpu/int8@2t",
        "cloud:cpu/fp32",
    ]
    state = agent.state()
    for array, (shape, total) in STATES[name].items():
        values = np.asarray(state[array])
        assert list(values.shape) == shape
        assert float(np.sum(values[np.isfinite(values)])) == pytest.approx(total, rel=1e-9, abs=1e-9)


def test_what_a_cost_model_had_learned_starts_a_corrector() -> None:
    """Its pooled beliefs alone are in the file; of the networks it met, see ``test_corrector``."""
    agent = load_policy(GOLDEN / "policies" / "cost-model.npz")
    assert agent.name == "corrector"
    assert [str(each) for each in agent.targets][-1] == "cloud:cpu/fp32"
