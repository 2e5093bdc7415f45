"""The fp16 and int8 variants of an ONNX file: which ways are tried, and what is left in float where a layer resists."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from autoscale.errors import WrongAnswer, listing
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.models.preparation import convert
from autoscale_runtime.models.preparation.streams import streamed
from autoscale_runtime.models.preparation.validation import STREAM_STEPS
from autoscale_runtime.models.preparation.work import NONSENSE, Made, Make, Work

PROBES: Final = 48
"""As many quantisations are tried to find layers that resist; what is not told apart by then stays in float."""

PROBE_QUERIES: Final = 2


def fp16(work: Work) -> None:
    """Half floats, in all operators or without those that need range."""
    ways = {
        "": partial(convert.to_fp16, work.source),
        "operators that need range left in float": partial(
            convert.to_fp16, work.source, keep_float=convert.RANGE_HUNGRY
        ),
    }
    made = work.best("fp16", ways)
    work.keep(made.path, made.accuracy, made.way)


def int8(work: Work) -> None:
    """Static int8, of all layers that can be."""
    convert.check_quantisable(work.source)
    ready, notes = _ready(work)
    layers, queries = convert.layers_of(ready), _calibration(work)
    work.step("int8: trying the layers")
    unable = _resisting(layers, lambda part: _runs(work, ready, queries, layers, part))
    if len(unable) == len(layers):
        unable = []  # let the tool's own error be the reason

    def recipe(kept: Sequence[str]) -> Callable[[Path], None]:
        return partial(convert.to_int8, ready, feeds=queries, keep_float=sorted({*kept, *unable}))

    ways = {way: kept for way, kept in convert.recipes(ready).items() if len({*kept, *unable}) < len(layers)}
    able = [each for each in layers if each not in unable]
    made = _made(work, {way: recipe(kept) for way, kept in ways.items()})
    if isinstance(made, WrongAnswer) or work.is_nonsense(made.accuracy):
        ruined = _resisting(able, lambda part: _answers(work, ready, queries, layers, part))
        if 0 < len(ruined) < len(able):
            made = _made(work, {f"without {listing(ruined)}, which int8 ruins": recipe(ruined)})
    if isinstance(made, WrongAnswer):
        raise made
    if unable:
        notes = [f"{listing(unable)} left in float: cannot be int8", *notes]
    work.keep(made.path, made.accuracy, "; ".join([made.way, *notes]))


def _made(work: Work, ways: Mapping[str, Make]) -> Made | WrongAnswer:
    """What the ways give; the first error where each gives infinity or NaN where fp32 does not."""
    try:
        return work.best("int8", ways)
    except WrongAnswer as error:
        return error


def _ready(work: Work) -> tuple[Path, list[str]]:
    """The file as the quantiser wants it, each step compared with the original, and what had to be done otherwise."""
    work.step("int8: raising the operator set, folding")
    raised, first = work.exact(
        "raising the operator set",
        {
            "": partial(convert.to_raised, work.source),
            "kept": partial(convert.to_named, work.source),
        },
    )
    ready, second = work.exact(
        "folding", {"": partial(convert.to_folded, raised), "nothing folded": partial(convert.to_named, raised)}
    )
    return ready, [note for note in (first, second) if note]


def _calibration(work: Work) -> list[Feeds]:
    """Queries that show the ranges: the samples, and of a network with state those of a stream, where it may grow."""
    feeds, state = list(work.calibration.feeds), work.validation.state
    if not state:
        return feeds
    asked = [each for each, _ in streamed(work.original, feeds, state, STREAM_STEPS)]
    return [*feeds, *asked[:: max(1, STREAM_STEPS // len(feeds))]]


def _resisting(layers: Sequence[str], works: Callable[[Sequence[str]], bool]) -> list[str]:
    """The layers that do not work, found by halves."""
    left, found, waiting = PROBES, [], [list(layers)]
    while waiting:
        part = waiting.pop(0)
        left -= 1
        if left >= 0 and works(part):
            continue
        if len(part) == 1 or left < 0:
            found += part
        else:
            middle = len(part) // 2
            waiting += [part[:middle], part[middle:]]
    return [each for each in layers if each in found]


def _runs(work: Work, ready: Path, queries: list[Feeds], layers: list[str], part: Sequence[str]) -> bool:
    """Whether these layers in int8, and no others, give an answer at all."""
    return _probe(work, ready, queries, layers, part) is not None


def _answers(work: Work, ready: Path, queries: list[Feeds], layers: list[str], part: Sequence[str]) -> bool:
    """Whether something of the network is left."""
    close = _probe(work, ready, queries, layers, part)
    return close is not None and close >= NONSENSE


def _probe(work: Work, ready: Path, queries: list[Feeds], layers: list[str], part: Sequence[str]) -> float | None:
    path = work.folder / "probe.onnx"
    try:
        convert.to_int8(ready, path, queries[:PROBE_QUERIES], [each for each in layers if each not in part])
        runner = work.loaded(path)
        close = work.fidelity(runner, PROBE_QUERIES)
        runner.close()
    except Exception:  # onnx, ONNX Runtime: no common base; which layer it is is what is asked
        return None
    return close
