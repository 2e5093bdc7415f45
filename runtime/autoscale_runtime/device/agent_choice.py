"""Who decides: an agent by its registered name, from a policy file, or the caller's own."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from autoscale.agents.base import Agent, make_agent
from autoscale.agents.fixed import Pinned
from autoscale.agents.policies import load_policy
from autoscale.agents.transfer import Origins, transferred
from autoscale.errors import InvalidInput, check_type
from autoscale.query.target import Target
from autoscale_runtime.device.options import SessionOptions

POLICY_SUFFIX: Final = ".npz"
_LOG: Final = logging.getLogger("autoscale.session")


def is_policy(agent: str) -> bool:
    """Whether an agent is given as a policy file rather than by its registered name."""
    return agent.endswith(POLICY_SUFFIX)


def agent_for(
    agent: str | Path | Agent, targets: Sequence[Target], options: SessionOptions
) -> tuple[Agent, Origins | None]:
    """The agent, and of a policy made for other targets which target was started from which; else None.

    Args:
        agent: a registered name, a policy file, or an agent for these targets.
        targets: of the session.
        options: of the session; a pinned target leaves nothing to decide.

    Raises:
        UnknownName: no agent of that name.
        InvalidInput: an agent for other targets.
        InvalidTarget: it cannot work with these targets.
        PolicyError: a policy that is missing or damaged, or that was made for other targets and must be exact.
    """
    check_type("agent", agent, (str, Path, Agent), "a registered name, a policy file, or an Agent")
    if options.target is not None:
        return Pinned(targets), None
    if isinstance(agent, Agent):
        if agent.targets != tuple(targets):
            raise InvalidInput(f"the agent chooses among {agent.targets}; this session has {tuple(targets)}")
        return agent, None
    if isinstance(agent, Path) or is_policy(agent):
        return _from_policy(Path(agent), targets, options)
    return make_agent(agent, targets, options.seed), None


def _from_policy(path: Path, targets: Sequence[Target], options: SessionOptions) -> tuple[Agent, Origins | None]:
    if options.policy == "exact":
        return load_policy(path, targets, options.seed), None
    learned = load_policy(path, seed=options.seed)
    if learned.targets == tuple(targets):
        return learned, None
    agent, origins = transferred(learned, targets, options.seed)
    if {*learned.targets} == {*targets}:
        return agent, None  # in another order, but the same: nothing is guessed
    _tell(path, learned, origins)
    return agent, origins


def _tell(path: Path, learned: Agent, origins: Origins) -> None:
    started = [f"{new} from {old}" for new, old in origins.items() if old is not None]
    afresh = [str(new) for new, old in origins.items() if old is None]
    _LOG.warning(
        "policy %s was made for other targets (%d); started from those that are alike: %s; afresh: %s",
        path,
        len(learned.targets),
        ", ".join(started) or "none",
        ", ".join(afresh) or "none",
    )
