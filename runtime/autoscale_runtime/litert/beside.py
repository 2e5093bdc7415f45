"""What stands beside the application's own interpreter: a session that decides, and an account of what is not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoscale.errors import MissingExtra, ModelError, UnsupportedModel
from autoscale.query.target import Target
from autoscale_runtime.backends.litert import LiteRT, LiteRTRunner
from autoscale_runtime.backends.tflite_file import read_graphs
from autoscale_runtime.drop_in.defaults import Defaults
from autoscale_runtime.drop_in.handing import handing_of
from autoscale_runtime.drop_in.model_file import ModelFile
from autoscale_runtime.drop_in.told import Told
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.models.bare_model import described
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.session import Session


class AsAsked(LiteRT):
    """LiteRT at no more threads than an application asked for.

    Args:
        threads: None for as many as there are cores.
    """

    def __init__(self, threads: int | None) -> None:
        self.threads = usable_cores() if threads is None or threads < 1 else min(threads, usable_cores())

    def targets(self, precision: str) -> list[Target]:
        """The CPU at each useful thread count up to that."""
        return [each for each in super().targets(precision) if (each.threads or 0) <= self.threads]


@dataclass(frozen=True, slots=True)
class Tensors:
    """Names of a model's inputs and outputs to the interpreter's numbers for them.

    Attributes:
        inputs: see there.
        outputs: likewise.
        constant: numbers of outputs that the file holds: nobody may write there, in memory that cannot be written.
    """

    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)
    constant: frozenset[int] = frozenset()


def beside(file: ModelFile, threads: int | None, defaults: Defaults, reason: str) -> tuple[Told, Tensors]:
    """What can be decided of a model that an application opened, and where its tensors are.

    Args:
        file: the model, which LiteRT took.
        threads: as the application said.
        defaults: how is decided.
        reason: why nothing shall be; empty where it may.

    Raises:
        InvalidInput: how it shall decide is wrong, as ``Session`` says.
    """
    asked, tensors = AsAsked(threads), Tensors()
    deciding: Session | None = None
    try:
        if not reason:
            deciding, tensors = _session(asked, file, defaults)
    except (ModelError, MissingExtra, OSError) as error:
        reason = str(error)
    target = Target("device", "cpu", "fp32", threads=threads or 1)
    return Told(deciding, reason, handing_of(target, file.name, defaults)), tensors


def _session(asked: AsAsked, file: ModelFile, defaults: Defaults) -> tuple[Session, Tensors]:
    path = file.path()
    runner = asked.load(path, asked.targets("fp32")[0])
    tensors = _tensors(runner, path)
    bundle = Bundle.of(described(path, asked, runner, defaults.options.shapes))
    runner.close()
    options = replace(defaults.options, backends={**defaults.options.backends, asked.name: asked})
    session = Session(bundle, defaults.goal, remotes=defaults.remotes, agent=defaults.agent, options=options)
    return session, tensors


def _tensors(runner: LiteRTRunner, path: Path) -> Tensors:
    graphs = runner.graphs
    if len(graphs) != 1:
        raise UnsupportedModel("the file has several signatures, of which an invocation does not say one")
    inputs, outputs = graphs[0].inputs, graphs[0].outputs
    held = frozenset(index for index, each in enumerate(read_graphs(path)[0].tensors) if each.stored)
    return Tensors(
        {name: each.index for name, each in inputs.items()},
        {name: each.index for name, each in outputs.items()},
        held,
    )
