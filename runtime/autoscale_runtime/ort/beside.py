"""What stands beside the application's own session: one that decides, and an account of what is not decided."""

from dataclasses import replace

from autoscale.errors import MissingExtra, ModelError, UnsupportedModel
from autoscale.query.target import Target
from autoscale_runtime.backends.engines import format_of
from autoscale_runtime.drop_in.defaults import Defaults
from autoscale_runtime.drop_in.handing import handing_of
from autoscale_runtime.drop_in.model_file import ModelFile
from autoscale_runtime.drop_in.told import Told
from autoscale_runtime.models.bare_model import described
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.ort.as_asked import AsAsked
from autoscale_runtime.session import Session

PROFILING = "profiling records the runs of one session"


def beside(asked: AsAsked, file: ModelFile, defaults: Defaults) -> Told:
    """What can be decided of a model that an application opened, and what decides it.

    Raises:
        InvalidInput: how it shall decide is wrong, as ``Session`` says.
    """
    try:
        deciding, undecided = _session(asked, file, defaults), ""
    except (ModelError, MissingExtra, OSError) as error:
        deciding, undecided = None, str(error)
    return Told(deciding, undecided, handing_of(_target(asked, file), file.name, defaults))


def _session(asked: AsAsked, file: ModelFile, defaults: Defaults) -> Session:
    if asked.is_profiled:
        raise UnsupportedModel(PROFILING)
    path = file.path()
    if format_of(path) not in asked.suffixes:
        raise UnsupportedModel(f"'{path}' does not begin as an ONNX file does")
    runner = asked.runner
    bundle = file.bundle or Bundle.of(described(path, asked, runner, defaults.options.shapes))
    options = replace(defaults.options, backends={**defaults.options.backends, asked.name: asked})
    return Session(bundle, defaults.goal, remotes=defaults.remotes, agent=defaults.agent, options=options)


def _target(asked: AsAsked, file: ModelFile) -> Target:
    try:
        precision = asked.precision_of(file.path())
    except OSError:
        precision = "fp32"
    threads = asked.threads if asked.processor == "cpu" else None
    return Target("device", asked.processor, precision, threads=threads)
