"""What one preparation has made so far, and the rules by which it keeps something."""

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.errors import WrongAnswer
from autoscale.query.model_profile import Accuracy
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.models.bare_model import load
from autoscale_runtime.models.preparation.samples import Samples
from autoscale_runtime.models.preparation.validation import VariantAccuracy, fidelity
from autoscale_runtime.models.variant import Variant

GOOD_ENOUGH: Final = 0.99
"""Of fp32's score: a variant this good is not tried in a gentler way."""

NONSENSE: Final = 0.5
"""Of fp32's score: a variant below it is left out."""

EXACT: Final = 0.999
"""Closeness to the original of what should have changed nothing."""

NO_GAIN: Final = 0.95
"""Of fp32's bytes and time: a variant above both gains nothing."""

TIMED_QUERIES: Final = 30
COMPARED_QUERIES: Final = 16

LONGEST_NAME: Final = 100

Make = Callable[[Path], None]
"""Writes a model to that path."""


@dataclass(frozen=True, slots=True)
class VariantResult:
    """One variant as it was measured.

    Attributes:
        precision: ``fp32``, ``fp16`` or ``int8``.
        size_bytes: of its files.
        latency_s: median of a query on one thread of this machine.
        accuracy: as its bundle says it.
        note: how it was made, where there is a choice.
        is_kept: whether the bundle has it; one that is neither smaller nor faster than fp32 is kept if asked for.
    """

    precision: str
    size_bytes: int
    latency_s: float
    accuracy: Accuracy
    note: str = ""
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """A variant that was made and measured: its file, how well it answers, in which way it came about."""

    path: Path
    accuracy: Accuracy
    way: str


@dataclass
class Work:
    """One preparation: what is compared with, and what has been kept so far.

    Attributes:
        folder: for whatever is made on the way.
        source: the original, all its files there.
        original: the same, loaded.
        validation: how variants are judged.
        calibration: other samples, which show the ranges of values.
        insisted: precisions to keep though they gain nothing.
        step: told what is being done.
        rows: what was measured, fp32 first.
        variants: what was kept.
        left_out: precision to the reason why it was not.
    """

    folder: Path
    source: Path
    original: Runner
    validation: VariantAccuracy
    calibration: Samples
    insisted: Collection[str]
    step: Callable[[str], None]
    rows: list[VariantResult] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def loaded(self, path: Path) -> Runner:
        """A variant, which must take and give what the original does.

        Raises:
            ModelError: it cannot be loaded.
            WrongAnswer: it does not.
        """
        runner = load(path)
        if _names(runner) != _names(self.original):
            raise WrongAnswer("its inputs and outputs are not those of the fp32 model")
        return runner

    def best(self, precision: str, ways: Mapping[str, Make]) -> Made:
        """Make a variant in the first way that is good enough, else in the one that came out best.

        Raises:
            Exception: whatever the first way failed with, if none worked.
        """
        made: list[Made] = []
        failures: list[Exception] = []
        for way, make in ways.items():
            self.step(f"{precision}: converting and measuring{', ' * bool(way)}{way}")
            try:
                path = self.scratch(f"{precision}{suffix_of(way)}") / f"{precision}.onnx"
                make(path)
                made.append(Made(path, self.validation.score(self.loaded(path)), way))
            except Exception as error:  # onnx, sympy, ONNX Runtime: no common base; a gentler way may get round it
                failures.append(error)
                continue
            if made[-1].accuracy.value >= GOOD_ENOUGH * self.rows[0].accuracy.value:
                break
        if not made:
            raise failures[0]
        return max(made, key=lambda each: each.accuracy.value)

    def exact(self, stage: str, ways: Mapping[str, Make]) -> tuple[Path, str]:
        """What the first way gives that leaves the answers as they are, and what to note of it.

        Raises:
            WrongAnswer: every way changes them.
        """
        told = ""
        for way, make in ways.items():
            path = self.scratch(f"{stage}{suffix_of(way)}") / "model.onnx"
            try:
                make(path)
                close = self.fidelity(self.loaded(path))
                told = told or f"{stage} changes the network (closeness {close:.3f})"
            except Exception as error:  # as above
                told = told or f"{stage} fails ({type(error).__name__}: {str(error).strip().partition(chr(10))[0]})"
                continue
            if close >= EXACT:
                return path, f"{told}, so {way}" if way else ""
        raise WrongAnswer(told)

    def fidelity(self, runner: Runner, queries: int = COMPARED_QUERIES) -> float:
        """How close its answers to calibration queries are to the original's; 1 of a network that draws at random."""
        if self.validation.reference is not None:
            return 1.0
        return fidelity(runner, self.original, self.calibration.feeds[:queries])

    def is_nonsense(self, accuracy: Accuracy) -> bool:
        """Whether nothing is left of the network."""
        return accuracy.value < NONSENSE * self.rows[0].accuracy.value

    def keep(self, path: Path, accuracy: Accuracy, note: str = "") -> None:
        """Measure a variant, and keep it if it is smaller or faster, or insisted on.

        Raises:
            WrongAnswer: it answers nonsense.
        """
        if self.rows and self.is_nonsense(accuracy):
            floor = NONSENSE * self.rows[0].accuracy.value
            raise WrongAnswer(f"it answers nonsense: {accuracy.value:.3f} ({accuracy.source}), below {floor:.3f}")
        runner = self.loaded(path)
        variant = Variant(path.stem, path, "", accuracy)
        size_bytes = sum(each.stat().st_size for each in variant.files)
        latency_s, fp32_s = self._latencies_s(runner)
        row = VariantResult(path.stem, size_bytes, latency_s, accuracy, note)
        runner.close()
        if self.rows and path.stem not in self.insisted:
            base = self.rows[0].size_bytes
            if size_bytes > NO_GAIN * base and latency_s > NO_GAIN * fp32_s:
                row = VariantResult(path.stem, size_bytes, latency_s, accuracy, note, is_kept=False)
                self.left_out[path.stem] = (
                    f"it is neither smaller ({size_bytes} bytes of fp32's {base}) nor faster "
                    f"({latency_s * 1e3:.3g} ms of {fp32_s * 1e3:.3g}); --keep {path.stem} keeps it"
                )
        self.rows.append(row)
        if row.is_kept:
            self.variants.append(variant)

    def scratch(self, name: str) -> Path:
        """A new folder; what a file system does not take in its name, as the ``/`` of a layer's, is left out."""
        folder = self.folder / re.sub(r"[^\w .,-]", "_", name)[:LONGEST_NAME]
        folder.mkdir()
        return folder

    def _latencies_s(self, runner: Runner) -> tuple[float, float]:
        """Of a variant and of the original, in turn, so that both meet the same machine."""
        feeds = self.validation.samples.feeds
        times: list[tuple[float, float]] = []
        for index in range(TIMED_QUERIES):
            query = feeds[index % len(feeds)]
            start = time.perf_counter()
            runner.run(None, query)
            middle = time.perf_counter()
            self.original.run(None, query)
            times.append((middle - start, time.perf_counter() - middle))
        latency_s, original_s = np.median(times, axis=0)
        return float(latency_s), float(original_s)


def suffix_of(way: str) -> str:
    """A way's name at the end of a folder's."""
    return f", {way}" if way else ""


def _names(runner: Runner) -> list[tuple[str, str]]:
    return [(each.name, each.dtype.name) for each in (*runner.inputs, *runner.outputs)]
