"""From one fp32 file and some samples to a bundle."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from autoscale.errors import AutoScaleError, MissingExtra, ModelError, WrongAnswer
from autoscale.query.model_profile import Accuracy
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.models.bare_model import load, precision_of
from autoscale_runtime.models.bundle import Bundle, check_folder
from autoscale_runtime.models.preparation.samples import Samples, read_samples
from autoscale_runtime.models.preparation.validation import VariantAccuracy
from autoscale_runtime.models.variant import Variant

GOOD_ENOUGH: Final = 0.99
"""Of fp32's score: an int8 variant this good is not tried in a gentler way."""

NONSENSE: Final = 0.5
"""Of fp32's score: a variant below it is left out."""

TIMED_QUERIES: Final = 30


@dataclass(frozen=True, slots=True)
class VariantResult:
    """One variant as it was measured.

    Attributes:
        precision: ``fp32``, ``fp16`` or ``int8``.
        size_bytes: of its files.
        latency_s: median of a query on one thread of this machine.
        accuracy: as its bundle says it.
        note: how it was made, where there is a choice.
    """

    precision: str
    size_bytes: int
    latency_s: float
    accuracy: Accuracy
    note: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came of it.

    Attributes:
        bundle: as written.
        rows: one a variant, fp32 first.
        left_out: precision to the reason why the bundle has no such variant.
        calibrated_on: samples the ranges were taken from.
        evaluated_on: other samples, which the accuracies are of.
    """

    bundle: Bundle
    rows: list[VariantResult]
    left_out: dict[str, str]
    calibrated_on: int
    evaluated_on: int


@dataclass
class _Work:
    """The state of one preparation: what is compared with, and what has been kept so far."""

    folder: Path
    source: Path
    names: list[tuple[str, str]]
    validation: VariantAccuracy
    calibration: Samples
    step: Callable[[str], None]
    rows: list[VariantResult] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def prepare(
    model: Path, data: Path, labels: Path | None, out: Path, step: Callable[[str], None] = lambda _: None
) -> Prepared:
    """Make, measure and write the variants of an fp32 ONNX model.

    Args:
        model: the ``.onnx`` file.
        data: see ``read_samples``; one part calibrates, the rest evaluates.
        labels: see ``read_labels``; without them, agreement with fp32 is measured.
        out: the bundle's folder: new, empty, or a bundle to replace. It is written last, whole or not at all.
        step: told what is being done.

    Raises:
        ModelError: not an fp32 ONNX model, or a folder that holds something else.
        FeedError: data or labels that do not fit the model.
        MissingExtra: the package onnx is not installed.
        WrongAnswer: an answer of the fp32 model that is not of its own shape.
    """
    check_folder(out)
    _check_source(model)
    fp32 = load(model)
    calibration, evaluation = read_samples(data, fp32.inputs, labels).split()
    with TemporaryDirectory(prefix="autoscale-prepare-") as folder:
        step("fp32: asking the reference")
        work = _Work(Path(folder), model, _names(fp32), VariantAccuracy.of(fp32, evaluation), calibration, step)
        _keep_fp32(work, fp32)
        _try(work, "fp16", _fp16)
        _try(work, "int8", _int8)
        step(f"writing {out}")
        shapes = {name: array.shape for name, array in calibration.feeds[0].items()}
        name, bare = out.resolve().name, Bundle.read(model, shapes)
        profile = replace(bare.profile, name=name)
        bundle = Bundle(name, profile, bare.inputs, bare.outputs, tuple(work.variants)).write(out)
    return Prepared(bundle, work.rows, work.left_out, len(calibration.feeds), len(evaluation.feeds))


def _check_source(model: Path) -> None:
    try:
        import onnx  # noqa: F401  # asked here for one clear message
    except ImportError:
        raise MissingExtra("onnx", "prepare", "preparing a model") from None
    if model.suffix != ".onnx":
        raise ModelError(f"'{model}' cannot be prepared; allowed: an fp32 .onnx file")
    load(model).close()
    precision = precision_of(model)
    if precision != "fp32":
        raise ModelError(f"'{model}' is {precision} already; allowed: an fp32 .onnx file")


def _keep_fp32(work: _Work, fp32: Runner) -> None:
    from autoscale_runtime.models.preparation.convert import copy_fp32

    path = work.folder / "fp32.onnx"
    copy_fp32(work.source, path)
    _keep(work, path, fp32, work.validation.score(fp32))


def _try(work: _Work, precision: str, make: Callable[[_Work], None]) -> None:
    """Make a variant; the tools fail in as many ways as there are networks, so any failure is a reason."""
    try:
        make(work)
    except Exception as error:  # onnx, sympy, ONNX Runtime: no common base, and a bug of theirs is no bug here
        work.left_out[precision] = _reason(error, work.folder)


def _fp16(work: _Work) -> None:
    from autoscale_runtime.models.preparation.convert import to_fp16

    work.step("fp16: converting and measuring")
    path = work.folder / "fp16.onnx"
    to_fp16(work.source, path)
    runner = _loaded(path, work)
    _keep(work, path, runner, _sensible(work, work.validation.score(runner)))


def _int8(work: _Work) -> None:
    """Quantise in the boldest way that is good enough, else in the one that came out best."""
    from autoscale_runtime.models.preparation.convert import recipes, to_ready

    work.step("int8: folding")
    ready = work.folder / "ready.onnx"
    to_ready(work.source, ready)
    made: list[tuple[float, str, Path, Accuracy]] = []
    failures: list[Exception] = []
    for name, kept in recipes(ready).items():
        work.step(f"int8: calibrating and measuring, {name}")
        try:
            path, accuracy = _quantised(work, ready, name, kept)
        except Exception as error:  # as in _try; a gentler way may get round it
            failures.append(error)
            continue
        made.append((accuracy.value, name, path, accuracy))
        if accuracy.value >= GOOD_ENOUGH * work.rows[0].accuracy.value:
            break
    if not made:
        raise failures[0]
    _, name, path, accuracy = max(made, key=lambda each: each[0])
    _keep(work, path, _loaded(path, work), _sensible(work, accuracy), name)


def _quantised(work: _Work, ready: Path, name: str, kept: list[str]) -> tuple[Path, Accuracy]:
    from autoscale_runtime.models.preparation.convert import to_int8

    path = work.folder / name / "int8.onnx"
    path.parent.mkdir()
    to_int8(ready, path, work.calibration.feeds, kept)
    return path, work.validation.score(_loaded(path, work))


def _loaded(path: Path, work: _Work) -> Runner:
    runner = load(path)
    if _names(runner) != work.names:
        raise WrongAnswer("its inputs and outputs are not those of the fp32 model")
    return runner


def _names(runner: Runner) -> list[tuple[str, str]]:
    return [(each.name, each.dtype.name) for each in (*runner.inputs, *runner.outputs)]


def _sensible(work: _Work, accuracy: Accuracy) -> Accuracy:
    floor = NONSENSE * work.rows[0].accuracy.value
    if accuracy.value < floor:
        raise WrongAnswer(f"it answers nonsense: {accuracy.value:.3f} ({accuracy.source}), below {floor:.3f}")
    return accuracy


def _keep(work: _Work, path: Path, runner: Runner, accuracy: Accuracy, note: str = "") -> None:
    variant = Variant(path.stem, path, "", accuracy)
    size_bytes = sum(each.stat().st_size for each in variant.files)
    work.variants.append(variant)
    work.rows.append(VariantResult(path.stem, size_bytes, _latency_s(runner, work.validation.samples), accuracy, note))
    runner.close()


def _latency_s(runner: Runner, samples: Samples) -> float:
    times = []
    for index in range(TIMED_QUERIES):
        feeds = samples.feeds[index % len(samples.feeds)]
        start = time.perf_counter()
        runner.run(None, feeds)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _reason(error: Exception, folder: Path) -> str:
    """One line, without the name of a folder that is gone when somebody reads it."""
    text = str(error).strip().partition("\n")[0].replace(f"{folder}/", "")
    return text if isinstance(error, AutoScaleError) else f"{type(error).__name__}: {text}"
