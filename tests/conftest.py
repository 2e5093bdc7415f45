"""The same on every machine and in every order: no example is timed, no generator outlives its test."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from autoscale_runtime.backends.base import BACKENDS
from autoscale_runtime.backends.engines import OFF

settings.register_profile(
    "any-machine",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("any-machine")


# What else is installed on a machine does not change what a session offers: whoever tests an engine turns it on.
os.environ[OFF] = ",".join(each for each in BACKENDS.builtin if each not in ("litert", "onnxruntime"))


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of the test's own, the same whatever ran before."""
    return np.random.default_rng(0)
