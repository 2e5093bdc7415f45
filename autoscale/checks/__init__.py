"""Conformance suites: what anything that is plugged in must do. Call them from your own tests.

>>> from autoscale.agents.fixed import Cloud
>>> check_agent(lambda targets, seed: Cloud(targets, seed=seed))

Every check raises AssertionError, with a message that says what was done and what was wrong with the answer.
"""

from autoscale.checks.agents import check_agent
from autoscale.checks.intensity_source import check_intensity_source
from autoscale.checks.worlds import check_world

__all__ = ["check_agent", "check_intensity_source", "check_world"]
