"""One version of a model as it lies on disk, to be loaded here or in another process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autoscale_runtime.backends.engines import format_of, installed
from autoscale_runtime.models.variant import Variant
from autoscale_runtime.server.execution.served_model import LoadedModel, ServedModel


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A file that is a version of a model.

    Attributes:
        name: of the model.
        version: a whole number.
        path: the file.
        precision: ``fp32``, ``fp16`` or ``int8``.
        threads: that each query computes on.
        sha256: as a bundle vouches for; empty where it is to be counted.
        labels: of an output's elements, by the output's name.
    """

    name: str
    version: int
    path: Path
    precision: str
    threads: int
    sha256: str = ""
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def load(self, most_rows: int = 1) -> LoadedModel:
        """Load it in the engine that ships for its format, else in the first by name that is installed.

        Args:
            most_rows: of queries that are to run together; 1 where none are.

        Raises:
            ModelError: no model, or beyond the engine.
            MissingExtra: the engine's package is not installed.
            InvalidTarget: more threads than the machine has cores.
        """
        variant = Variant(self.precision, self.path, self.sha256)
        engine = installed(format_of(self.path))[0]
        target = engine.on_cpu(self.precision, self.threads)
        runner = engine.load(self.path, target)
        shown = target if engine.is_shipped else engine.named(target)
        platform = engine.backend.platform or engine.name
        served = ServedModel(
            self.name, self.version, runner.inputs, runner.outputs, shown, platform, variant.digest(), dict(self.labels)
        )
        loaded = LoadedModel(served, runner)
        if most_rows <= 1:
            return loaded
        from autoscale_runtime.server.execution.rows_apart import tried_in_rows  # a tenth of a process's start

        return tried_in_rows(loaded, engine.backend.precision_of(self.path))

    def stamp(self) -> tuple[object, ...]:
        """What changes when its file does."""
        stat = self.path.stat()
        return self, stat.st_mtime_ns, stat.st_size, stat.st_ino

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` makes it of, in another process."""
        return asdict(self) | {"path": str(self.path)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "ModelSource":
        """The source that another process told of."""
        labels = tuple((name, tuple(words)) for name, words in told["labels"])
        return cls(**{**told, "path": Path(told["path"]), "labels": labels})
