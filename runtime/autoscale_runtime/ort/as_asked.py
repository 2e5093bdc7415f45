"""ONNX Runtime as an application set it up: its options and providers at every thread count that it allows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final

from autoscale.errors import AutoScaleError, UnsupportedModel
from autoscale.query.target import Target
from autoscale_runtime.backends.cpu import cpu_targets
from autoscale_runtime.backends.onnxruntime import CPU_PROVIDER, OnnxRunner, OnnxRuntime, inference_session_class
from autoscale_runtime.backends.providers import processor_of
from autoscale_runtime.backends.tensors import is_bfloat16
from autoscale_runtime.drop_in.model_file import ModelFile
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.host.memory import machine_bytes

SPINNING: Final = "session.intra_op.allow_spinning"

MOST_SHARE: Final = 0.05
"""Of the machine's memory, what a second copy of the weights may take: the application keeps its own session open."""

_GUARD: Final = RLock()
"""An application's options are changed while a session is made of them, and changed back."""


class SharedSession:
    """The application's own session, as a runner takes it: loaded once, for the application and for a target.

    Args:
        session: which may be dropped while the runner lives, and the other way round.
    """

    def __init__(self, session: Any) -> None:
        inputs, outputs = session.get_inputs(), session.get_outputs()
        self.get_inputs, self.get_outputs = (lambda: inputs), (lambda: outputs)
        self._names = [each.name for each in outputs]
        self._run = session._sess.run

    def run(self, output_names: Sequence[str] | None, feeds: Mapping[str, Any], options: Any = None) -> list[Any]:
        """Answer one query."""
        answer: list[Any] = self._run(output_names or self._names, feeds, options)
        return answer


class AsAsked(OnnxRuntime):
    """What an application asked ONNX Runtime for.

    Args:
        session: as it was made.
        file: the model.
        options: the application's own, which may hold custom operators, initializers, dimensions.
        keywords: further ones of the session's constructor.
    """

    def __init__(self, session: Any, file: ModelFile, options: Any, keywords: Mapping[str, Any]) -> None:
        self._shared = SharedSession(session)
        self._file, self._options, self._keywords = file, options, dict(keywords)
        self._providers = list(session.get_providers())
        self.processor = processor_of(self._providers, session.get_provider_options())
        self.threads = max(options.intra_op_num_threads, 0) or usable_cores()
        self.is_profiled = bool(options.enable_profiling)
        self._is_fixed = not options.use_per_session_threads or not self._has_room()

    @property
    def runner(self) -> OnnxRunner:
        """The application's own session.

        Raises:
            UnsupportedModel: it takes or gives something else than tensors of numpy's types.
        """
        runner = OnnxRunner(self._shared, self._file.path())
        for each in (*runner.inputs, *runner.outputs):
            if is_bfloat16(each.dtype):  # ONNX Runtime gives it as a value of its own, which the application expects
                raise UnsupportedModel(f"'{self._file.path()}': {each}; allowed: numpy's own types")
        return runner

    def targets(self, precision: str) -> list[Target]:
        """The CPU at no more threads than were asked for, and what the providers lead to where that is another."""
        counts = [each for each in cpu_targets(precision) if (each.threads or 0) <= self.threads]
        here = [each for each in counts if not self._is_fixed or each.threads == self.threads] or counts[-1:]
        own = [] if self.processor == "cpu" else [Target("device", self.processor, precision)]
        return [*here, *own] if CPU_PROVIDER in self._providers else own

    def _has_room(self) -> bool:
        """Whether the model may be loaded at other thread counts beside the application's."""
        try:
            path = self._file.path()
            files = [path, *(path.parent / each for each in self.data_files(path))]
            nbytes = sum(each.stat().st_size for each in files)
        except (AutoScaleError, OSError):
            return True  # whoever reads the model says what is wrong with it
        return nbytes <= MOST_SHARE * machine_bytes()

    def load(self, path: Path, target: Target) -> OnnxRunner:
        """As asked for at those threads; an accelerator's is the application's own session."""
        if target.processor == self.processor != "cpu":
            return self.runner
        return super().load(path, target)

    def open(self, path: Path, threads: int) -> Any:
        """The application's own session where it has these threads, else another one made as that was."""
        is_own = path == self._file.path()
        if is_own and self.processor == "cpu" and threads == self.threads:
            return self._shared
        source = self._file.source if is_own and isinstance(self._file.source, bytes) else str(path)
        with quiet(self._options), _at(self._options, threads):
            return inference_session_class()(source, self._options, providers=[CPU_PROVIDER], **self._keywords)


@contextmanager
def quiet(options: Any) -> Iterator[None]:
    """Sessions made of these options do not spin while they wait, which burns energy, unless the options say so.

    Nobody else changes them meanwhile.
    """
    with _GUARD:
        if not _says(options, SPINNING):
            options.add_session_config_entry(SPINNING, "0")
        yield


@contextmanager
def _at(options: Any, threads: int) -> Iterator[None]:
    """Sessions made meanwhile have so many threads, and write no file that the application asked for once."""
    kept = options.intra_op_num_threads, options.optimized_model_filepath
    options.intra_op_num_threads, options.optimized_model_filepath = threads, ""
    try:
        yield
    finally:
        options.intra_op_num_threads, options.optimized_model_filepath = kept


def _says(options: Any, key: str) -> bool:
    try:
        options.get_session_config_entry(key)
    except RuntimeError:
        return False
    return True
