"""The trained networks of the demonstration, with questions whose answers are known."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np

from autoscale.errors import one_of
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.demo.wheels import Wheel, unpacked

_CLASSES = {
    "file-type": "autoscale_runtime.demo.magika:FileType",
    "text-line": "autoscale_runtime.demo.ocr:TextLine",
    "text-page": "autoscale_runtime.demo.page:TextPage",
}
NETWORKS = tuple(_CLASSES)


@dataclass(frozen=True, slots=True)
class Sample:
    """One query and what its answer should be.

    Attributes:
        feeds: input name to array, a batch of one.
        label: the right answer.
    """

    feeds: Mapping[str, Array]
    label: str


class Network(ABC):
    """One trained network.

    Args:
        folder: what its wheel was unpacked into.

    Attributes:
        name: as :data:`NETWORKS` lists it.
        title: what it does, for people.
        wheel: where it comes from, and under which licence.
        model: its fp32 ONNX file, as a member of the wheel.
        shapes: input name to the shape of every query.
        calibrated_on: samples given to ``prepare``: half set the ranges of int8, half are compared with fp32.
        evaluated_on: samples, other than the day's, on which each variant's accuracy is measured.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    wheel: ClassVar[Wheel]
    model: ClassVar[str]
    shapes: ClassVar[Mapping[str, tuple[int, ...]]]
    calibrated_on: ClassVar[int] = 96
    evaluated_on: ClassVar[int] = 100

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def model_path(self) -> Path:
        """The fp32 ONNX file."""
        return self.folder / self.model

    def samples(self, count: int, seed: int) -> list[Sample]:
        """Queries to validate with; the same seed on the same machine gives the same ones."""
        return list(islice(self._questions(np.random.default_rng(seed), calibration=False), count))

    def calibration(self, count: int) -> list[Sample]:
        """Queries to calibrate a quantiser with: always the same, none of which ever comes out of :meth:`samples`."""
        return list(islice(self._questions(np.random.default_rng(0), calibration=True), count))

    @abstractmethod
    def score(self, outputs: Sequence[Array], sample: Sample) -> float:
        """How right an answer is, from 0 to 1; ``outputs`` are those of a session's ``run(None, feeds)``."""

    def is_right(self, outputs: Sequence[Array], sample: Sample) -> bool:
        """Whether an answer is wholly right."""
        return self.score(outputs, sample) == 1.0

    @abstractmethod
    def _questions(self, random: np.random.Generator, calibration: bool) -> Iterator[Sample]:
        """Endless samples for the one use or the other; what a sample is made of says which, so none serves both."""


def fetch(name: str, announce: Callable[[str], None] | None = None) -> Network:
    """A network by its name, out of the user's cache or, the first time, out of its wheel.

    Args:
        name: one of :data:`NETWORKS`.
        announce: called with one line, licence included, that a download starts.

    Raises:
        UnknownName: no network is called so.
        ModelError: its wheel cannot be fetched.
    """
    one_of("network", name, NETWORKS)
    module, _, attribute = _CLASSES[name].partition(":")
    kind = getattr(import_module(module), attribute)
    network: Network = kind(unpacked(kind.wheel, announce))
    return network
