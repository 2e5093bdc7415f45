"""What a session decides by where its caller, who knows of ONNX Runtime alone, does not say."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from autoscale.agents.base import Agent
from autoscale.errors import InvalidGoal, check_type, one_of
from autoscale.query.goal import Goal, InferenceMode
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.plan import RemoteModel


@dataclass(frozen=True, slots=True)
class Defaults:
    """How sessions decide, as ``Session`` takes it.

    Attributes:
        goal: what counts as a good answer.
        remotes: place and host to a server's ``host:port``, or to a ``RemoteModel``; a session asks there for the model
            of its file's name.
        agent: a registered name, a policy file, or an agent.
        options: the rest.

    Raises:
        InvalidInput: a value of another type.
    """

    goal: Goal = field(default_factory=Goal)
    remotes: Mapping[str, str | RemoteModel] = field(default_factory=dict)
    agent: str | Path | Agent = "corrector"
    options: SessionOptions = field(default_factory=SessionOptions)

    def __post_init__(self) -> None:
        check_type("goal", self.goal, Goal, "a Goal, as in Goal(objective='energy')", InvalidGoal)
        check_type("remotes", self.remotes, Mapping, "a mapping, as in {'cloud': 'host:port'}")
        check_type("agent", self.agent, (str, Path, Agent), "a registered name, a policy file, or an agent")
        check_type("options", self.options, SessionOptions, "a SessionOptions")

    def said(
        self,
        goal: Goal | None = None,
        remotes: Mapping[str, str | RemoteModel] | None = None,
        agent: str | Path | Agent | None = None,
        mode: str | None = None,
        options: SessionOptions | None = None,
    ) -> "Defaults":
        """The same with what somebody says; None leaves it as it is.

        Raises:
            InvalidInput: a value of another type.
        """
        given: dict[str, Any] = {"goal": goal, "remotes": remotes, "agent": agent, "options": options}
        said = replace(self, **{name: value for name, value in given.items() if value is not None})
        if mode is not None:
            one_of("inference mode", mode, list(InferenceMode), InvalidGoal)
            said = replace(said, goal=replace(said.goal, mode=InferenceMode(mode)))
        return said


_CURRENT: Final = [Defaults()]


def current() -> Defaults:
    """What holds for sessions that are made now."""
    return _CURRENT[-1]


def push(defaults: Defaults) -> None:
    """Let these hold until they are popped."""
    _CURRENT.append(defaults)


def pop() -> None:
    """Let those hold again that did before the last push; the first stay."""
    if len(_CURRENT) > 1:
        _CURRENT.pop()
