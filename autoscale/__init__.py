"""The engine: facts to decisions to accounts. What this package exports is all it promises; modules may change.

>>> from autoscale import Goal, Target
>>> Goal(objective="carbon", latency_s=0.05).mode.value, Target.parse("device:cpu/int8@2t").threads
('AUTO', 2)

Names are imported when they are first asked for: ``import autoscale`` costs nothing, and the engine needs numpy alone.
"""

from typing import TYPE_CHECKING

from autoscale import errors
from autoscale._moved import install
from autoscale.lazy import lazy_names

if TYPE_CHECKING:
    from autoscale.agents.base import Agent, Choice, make_agent
    from autoscale.agents.policies import load_policy, save_policy
    from autoscale.carbon.intensity.base import Intensity, IntensitySource
    from autoscale.carbon.intensity.electricity import Electricity
    from autoscale.checks.agents import check_agent
    from autoscale.checks.intensity_source import check_intensity_source
    from autoscale.checks.worlds import check_world
    from autoscale.fleet.ledger.view import read_ledger
    from autoscale.fleet.report.account import account
    from autoscale.loop import run_query
    from autoscale.profiles.folder import load_device
    from autoscale.profiles.networks import load_network
    from autoscale.query.context import Context
    from autoscale.query.forecast import Forecast
    from autoscale.query.goal import Goal
    from autoscale.query.observation import Observation
    from autoscale.query.outcome import Method, Outcome
    from autoscale.query.record import Record
    from autoscale.query.target import Target

__all__ = [
    "Agent",
    "Choice",
    "Context",
    "Electricity",
    "Forecast",
    "Goal",
    "Intensity",
    "IntensitySource",
    "Method",
    "Observation",
    "Outcome",
    "Record",
    "Target",
    "account",
    "check_agent",
    "check_intensity_source",
    "check_world",
    "errors",
    "load_device",
    "load_network",
    "load_policy",
    "make_agent",
    "read_ledger",
    "run_query",
    "save_policy",
]

__getattr__ = lazy_names(
    __name__,
    {
        "autoscale.agents.base": "Agent Choice make_agent",
        "autoscale.agents.policies": "load_policy save_policy",
        "autoscale.carbon.intensity.base": "Intensity IntensitySource",
        "autoscale.carbon.intensity.electricity": "Electricity",
        "autoscale.checks.agents": "check_agent",
        "autoscale.checks.intensity_source": "check_intensity_source",
        "autoscale.checks.worlds": "check_world",
        "autoscale.fleet.ledger.view": "read_ledger",
        "autoscale.fleet.report.account": "account",
        "autoscale.loop": "run_query",
        "autoscale.profiles.folder": "load_device",
        "autoscale.profiles.networks": "load_network",
        "autoscale.query.context": "Context",
        "autoscale.query.forecast": "Forecast",
        "autoscale.query.goal": "Goal",
        "autoscale.query.observation": "Observation",
        "autoscale.query.outcome": "Method Outcome",
        "autoscale.query.record": "Record",
        "autoscale.query.target": "Target",
    },
)

install()
