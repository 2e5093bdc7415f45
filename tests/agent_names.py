"""The registered agents as parameters of tests; those whose package is not installed are skipped, aloud."""

from importlib.util import find_spec
from typing import Any, Final

import pytest

from autoscale.agents.base import AGENTS

PACKAGES: Final = {"vw-squarecb": "vowpalwabbit"}


def every_agent() -> list[Any]:
    """One parameter an agent."""
    return [_parameter(name) for name in AGENTS.names()]


def _parameter(name: str) -> Any:
    package = PACKAGES.get(name)
    lacks = package is not None and find_spec(package) is None
    return pytest.param(name, marks=pytest.mark.skipif(lacks, reason=f"{package} is not installed"))
