"""Writing a policy as an ONNX graph and a JSON of its names, units and targets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from autoscale.agents.base import Agent
from autoscale.agents.corrector import Corrector
from autoscale.errors import InvalidInput, PolicyError
from autoscale.files import write_file
from autoscale.query.goal import Goal
from autoscale_runtime.policy_export.corrector_graph import corrector_graph
from autoscale_runtime.policy_export.interface import description

Write = Callable[[Any, Goal], tuple[bytes, tuple[str, ...]]]

GRAPHS: Final[dict[type[Agent], Write]] = {Corrector: corrector_graph}
"""An agent's class to what writes its graph, and tells the networks in the order of their indices."""


def export_policy(agent: Agent, path: Path | str, goal: Goal | None = None) -> dict[str, Any]:
    """Write an agent, as it is now, as an ONNX graph, and beside it a JSON (``.json``) of names, units and targets.

    The graph takes a query's forecast and observation and a uniform random number, and gives the index of the target
    and the probability of the choice: the same as the agent's. It learns nothing.

    Args:
        agent: a ``corrector``.
        path: of the graph, ``.onnx``.
        goal: its objective and ``on_time`` become part of the graph; limit and floor are inputs.

    Returns:
        What the JSON holds.

    Raises:
        PolicyError: no graph can say what this agent does, or the files cannot be written.
        InvalidInput: a path that does not end in ``.onnx``.
        MissingExtra: onnx is not installed.
    """
    path, goal = Path(path), goal or Goal()
    write = GRAPHS.get(type(agent))
    if write is None:
        raise PolicyError(f"agent '{agent.name}' has no graph; allowed: {[each.name for each in GRAPHS]}")
    if path.suffix != ".onnx":
        raise InvalidInput(f"graph is '{path}'; allowed: a file that ends in .onnx")
    content, networks = write(agent, goal)
    told = description(agent.name, agent.targets, networks, goal)
    try:
        for file, data in ((path, content), (path.with_suffix(".json"), json.dumps(told, indent=2).encode() + b"\n")):
            write_file(file, data)
    except OSError as error:
        raise PolicyError(f"graph {path} cannot be written: {error}") from error
    return told
