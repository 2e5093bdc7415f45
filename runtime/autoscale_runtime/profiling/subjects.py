"""What is measured: every processor, precision and setting of some models, on the session's own routes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput, ModelError
from autoscale.query.goal import Goal
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.device.assemble import Device, assemble
from autoscale_runtime.device.calibration import calibrate
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.routes.local import LocalRoute
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.example_feeds import example_feeds
from autoscale_runtime.models.inspection.inputs import Shape
from autoscale_runtime.models.variant import served_name

ALONE: Final = SessionOptions(sensors=(), meters=("none",))
"""Nothing senses or meters beside what is measured here."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One target of one model.

    Attributes:
        network: the model's name.
        target: as a session names it.
        digest: SHA-256 of the files that run there.
        run: answers a query there; loads the model where it is not.
    """

    network: str
    target: Target
    digest: str
    run: Callable[[], object]

    @property
    def key(self) -> tuple[str, Target]:
        """What no two settings share."""
        return self.network, self.target


class Subject:
    """One model, and its routes on this device, each verified against the reference's answer before it is timed.

    Args:
        path: a model file or a bundle.
        shapes: input name to shape, where its inputs have open dimensions.

    Attributes:
        bundle: the model.
        left_out: targets that cannot be timed, each with the reason; known once it was opened.

    Raises:
        ModelError, FeedError, MissingExtra: it cannot be read, or nothing tells how its inputs look.
    """

    def __init__(self, path: Path, shapes: Mapping[str, Shape]) -> None:
        bundle = Bundle.read(path)
        own = {each.name: shapes[each.name] for each in bundle.inputs if each.name in shapes}
        self.bundle = Bundle.read(path, own) if own else bundle
        self._query = Query(None, example_feeds(self.bundle.inputs, own))
        self._is_verified = False
        self.left_out: dict[Target, str] = {}

    @property
    def name(self) -> str:
        """As a session calls it."""
        return self.bundle.name

    @property
    def feeds(self) -> Feeds:
        """Of the query that it is timed with."""
        return self._query.feeds

    @property
    def digests(self) -> dict[str, str]:
        """Precision to SHA-256 of the files that run in it."""
        return {each.precision: each.digest() for each in reversed(self.bundle.variants)}

    @property
    def served_names(self) -> list[str]:
        """What a server calls its variants."""
        return [served_name(self.name, each.precision) for each in self.bundle.variants]

    @contextmanager
    def opened(self) -> Iterator[list[Setting]]:
        """Its settings, those with the most threads first; the models are let go at the end.

        Raises:
            AutoScaleError: no engine runs it, or nothing here answers.
        """
        device = assemble(self.bundle, Goal(), {}, ALONE)
        try:
            if not self._is_verified:
                self.left_out = dict(calibrate(device.world, self._query, ALONE.timeout_s).distrusted)
                self._is_verified = True
            yield list(self._settings(device))
        finally:
            device.close()

    def _settings(self, device: Device) -> Iterator[Setting]:
        digests = self.digests
        routes = [each for each in device.world.routes if isinstance(each, LocalRoute)]
        for route in sorted(routes, key=lambda each: -(each.target.threads or 0)):
            if route.target not in self.left_out:
                run = partial(route.runner.run, None, self._query.feeds)
                yield Setting(self.name, route.target, digests[route.target.precision], run)


def parse_models(texts: Sequence[str]) -> list[Path]:
    """The models that are meant.

    Raises:
        InvalidInput: none, or one twice.
        ModelError: a path that does not exist.
    """
    paths = [Path(text) for text in texts]
    if not paths:
        raise InvalidInput("no model is given; allowed: model files or bundles, as in model.onnx")
    for path in paths:
        if not path.exists():
            raise ModelError(f"'{path}' does not exist; allowed: a model file, or a bundle's folder")
    seen: dict[Path, Path] = {}
    for path in paths:
        if path.resolve() in seen:
            raise InvalidInput(f"'{path}' is given twice; allowed: each model once")
        seen[path.resolve()] = path
    return paths


def check_names(subjects: Sequence[Subject], paths: Sequence[Path]) -> None:
    """Refuse two models of one name: a profile could not tell their rows apart.

    Raises:
        InvalidInput: naming both files.
    """
    seen: dict[str, Path] = {}
    for subject, path in zip(subjects, paths, strict=True):
        if subject.name in seen:
            raise InvalidInput(
                f"'{seen[subject.name]}' and '{path}' are both called '{subject.name}'; allowed: models of different "
                "names, by which a session finds their rows; rename a file, or make bundles with 'autoscale prepare'"
            )
        seen[subject.name] = path
