"""From one model file and some samples to a bundle."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from autoscale.errors import AutoScaleError, FeedError, InvalidInput, ModelError, TargetError, one_of
from autoscale.extras import needed
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.engines import format_of
from autoscale_runtime.models.bare_model import load, precision_of
from autoscale_runtime.models.bundle import Bundle, check_folder
from autoscale_runtime.models.preparation.samples import Samples, read_samples
from autoscale_runtime.models.preparation.validation import VariantAccuracy
from autoscale_runtime.models.preparation.work import VariantResult, Work
from autoscale_runtime.models.state import NO_STATE, State, check_state, find_state
from autoscale_runtime.models.variant import Variant

MADE = ("fp16", "int8")
"""The precisions that are made of fp32."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came of it.

    Attributes:
        bundle: as written.
        rows: one a variant that was measured, fp32 first; which the bundle has, they say.
        left_out: precision to the reason why the bundle has no such variant.
        calibrated_on: samples the ranges were taken from.
        evaluated_on: other samples, which the accuracies are of.
        state: outputs to the inputs that they are fed back to.
    """

    bundle: Bundle
    rows: list[VariantResult]
    left_out: dict[str, str]
    calibrated_on: int
    evaluated_on: int
    state: State = field(default_factory=dict)


def prepare(
    model: Path,
    data: Path,
    labels: Path | None,
    out: Path,
    step: Callable[[str], None] = lambda _: None,
    *,
    state: State | None = None,
    keep: Collection[str] = (),
) -> Prepared:
    """Make, measure and write the variants of an fp32 ONNX model; a file of another format is bundled as it is.

    Args:
        model: the file.
        data: see ``read_samples``; one part calibrates, the rest evaluates.
        labels: see ``read_labels``; without them, agreement with fp32 is measured.
        out: the bundle's folder: new, empty, or a bundle to replace. It is written last, whole or not at all.
        step: called with what is being done.
        state: outputs to the inputs that they are fed back to; None finds them where names and shapes leave no doubt.
        keep: precisions to keep though they are neither smaller nor faster than fp32.

    Raises:
        ModelError: not a model, an ONNX model that is not fp32, or a folder that holds something else.
        FeedError: data, labels or a state that do not fit the model.
        InvalidInput: a precision to keep that is not made.
        MissingExtra: the package onnx is not installed.
        WrongAnswer: an answer of the model that is not of its own shape.
    """
    for each in keep:
        one_of("precision to keep", each, MADE, InvalidInput)
    check_folder(out)
    _check_source(model)
    original = load(model)
    calibration, evaluation = read_samples(data, original.inputs, labels).split()
    known = _known_state(original, state)
    with TemporaryDirectory(prefix="autoscale-prepare-") as folder:
        step("asking the reference")
        validation = _validation(original, evaluation, known, is_told=state is not None)
        # Copies, since ONNX's own tools take no links.
        source = Variant(precision_of(model), model).copied(Path(folder) / "source").path
        work = Work(Path(folder), source, original, validation, calibration, keep, step)
        (_variants_of_onnx if format_of(model) == ".onnx" else _as_it_is)(work)
        original.close()
        step(f"writing {out}")
        is_open = {each.name for each in original.inputs if None in each.shape}
        shapes = {name: array.shape for name, array in calibration.feeds[0].items() if name in is_open}
        name, bare = out.resolve().name, Bundle.read(model, shapes)
        profile = replace(bare.profile, name=name)
        bundle = Bundle(name, profile, bare.inputs, bare.outputs, tuple(work.variants), known).write(out)
    return Prepared(bundle, work.rows, work.left_out, len(calibration.feeds), len(evaluation.feeds), known)


def _check_source(model: Path) -> None:
    load(model).close()
    if format_of(model) != ".onnx":
        return
    with needed("onnx", "prepare", "preparing a model"):
        import onnx  # noqa: F401  # asked here for one clear message
    precision = precision_of(model)
    if precision != "fp32":
        raise ModelError(f"'{model}' is {precision} already; allowed: an fp32 .onnx file")


def _known_state(original: Runner, told: State | None) -> State:
    state = find_state(original.inputs, original.outputs) if told is None else told
    check_state(state, original.inputs, original.outputs)
    return state


def _validation(original: Runner, samples: Samples, state: State, is_told: bool) -> VariantAccuracy:
    """Along a stream where there is a state; a state that nobody told may turn out not to go in again."""
    if state and samples.labels is not None:
        if is_told:
            raise FeedError("labels are of single samples, and a state is judged along a stream; allowed: one of both")
        state = NO_STATE
    try:
        return VariantAccuracy.of(original, samples, state)
    except (FeedError, TargetError) as error:
        if not state:
            raise
        if is_told:
            raise FeedError(f"state {dict(state)} cannot be fed back: {error}") from error
        return VariantAccuracy.of(original, samples)


def _as_it_is(work: Work) -> None:
    path = work.scratch("bundled") / f"{precision_of(work.source)}{format_of(work.source)}"
    work.source.rename(path)
    work.keep(path, work.validation.score(work.original), "as it is")


def _variants_of_onnx(work: Work) -> None:
    from autoscale_runtime.models.preparation.convert import copy_fp32
    from autoscale_runtime.models.preparation.variants import fp16, int8

    path = work.folder / "fp32.onnx"
    copy_fp32(work.source, path)
    work.source = path
    work.keep(path, work.validation.score(work.original))
    for precision, make in (("fp16", fp16), ("int8", int8)):
        try:
            make(work)
        except Exception as error:  # onnx, sympy, ONNX Runtime: no common base, and a bug of theirs is no bug here
            work.left_out[precision] = _reason(error, work.folder)


def _reason(error: Exception, folder: Path) -> str:
    """One line, without the name of a folder that is gone when somebody reads it."""
    text = str(error).strip().partition("\n")[0].replace(f"{folder}/", "")
    return text if isinstance(error, AutoScaleError) else f"{type(error).__name__}: {text}"
