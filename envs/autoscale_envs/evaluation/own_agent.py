"""Agents by name: those that ship or are plugged in, and a class of one's own as ``module:Class``."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from autoscale.agents.base import AGENTS, Agent, make_agent
from autoscale.errors import AutoScaleError, InvalidInput, check_type, one_of
from autoscale.query.target import Target


def check_agent_name(name: str, known: Iterable[str]) -> None:
    """Whether an agent of that name can be made.

    Raises:
        UnknownName: no such agent; the message names the nearest.
        InvalidInput: ``module:Class`` that cannot be imported, or is no agent.
    """
    if ":" in name:
        _own_class(name)
    else:
        one_of("agent", AGENTS.current(name), known)


def agent_of(name: str, targets: Sequence[Target], seed: int) -> Agent:
    """The agent of that name.

    Raises:
        RuntimeError: the code of one's own raised.
        AutoScaleError: as for ``check_agent_name`` and ``make_agent``.
    """
    if ":" not in name:
        return make_agent(name, targets, seed)
    made = _own_class(name)
    with blaming(name):
        return made(targets, seed=seed)


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Whatever an agent's code raises names the agent: a traceback's last line is what people read.

    Raises:
        RuntimeError: it raised; our own errors go on as they are.
    """
    try:
        yield
    except AutoScaleError:
        raise
    except Exception as error:  # an agent's code is anybody's, and may raise anything
        raise RuntimeError(f"agent '{name}' raised {type(error).__name__}: {error}") from error


def _own_class(name: str) -> type[Agent]:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:  # a command does not look where it is called from; people expect it
        sys.path.append(here)
    try:
        found: type[Agent] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput(f"agent '{name}': {error}; allowed: module:Class, importable from here") from error
    allowed = "a subclass of autoscale.Agent"
    check_type(f"agent '{name}'", found, type, allowed)
    if not issubclass(found, Agent):
        raise InvalidInput(f"agent '{name}' is another class; allowed: {allowed}")
    return found
