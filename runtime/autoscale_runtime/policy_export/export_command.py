"""The command ``autoscale export``."""

from pathlib import Path
from typing import Annotated

import typer

from autoscale.agents.policies import load_policy
from autoscale.command import JsonOption, print_json
from autoscale.query.goal import Goal
from autoscale.query.goal_options import ObjectiveOption
from autoscale_runtime.policy_export.export import export_policy


def export_command(
    policy: Annotated[Path, typer.Argument(help="A policy file of 'autoscale train' or of a session's agent.")],
    graph: Annotated[
        Path, typer.Argument(help="Where to write the graph (.onnx); names and units go beside it (.json).")
    ],
    objective: ObjectiveOption = "energy",
    on_time: Annotated[float, typer.Option(help="The chance to be in time that a target must have.")] = 0.5,
    as_json: JsonOption = False,
) -> None:
    """Write a policy as an ONNX graph for any language: forecast, observation and a random number in, target out.

    The graph chooses as the agent does, with the same probabilities; it learns nothing. Beside it a JSON names the
    targets, the networks it knows, and each input with its unit.

    Example: autoscale export policy.npz policy.onnx
    """
    told = export_policy(load_policy(policy), graph, Goal(objective, on_time=on_time))
    if as_json:
        print_json(told)
        return
    typer.echo(
        f"{told['agent']}: {len(told['targets'])} targets, {len(told['networks'])} networks; "
        f"wrote {graph} and {graph.with_suffix('.json')}"
    )
