"""The conformance suite of backends: run it over your own and over every registered one.

::

    check_backend(MyBackend(), Path("model.onnx"), feeds, expected)
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from autoscale.checks.require import require
from autoscale.errors import AutoScaleError, FeedError, InvalidTarget, ModelError, TargetError
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Backend, Runner
from autoscale_runtime.backends.tensors import Array, Feeds

PARALLEL: Final = 4
QUERIES: Final = 40


def check_backend(
    backend: Backend,
    path: Path,
    feeds: Feeds,
    expected: Mapping[str, Array],
    precision: str = "fp32",
    tolerance: float = 1e-4,
) -> None:
    """Check that a backend keeps the promises of ``Backend`` and ``Runner``.

    Args:
        backend: the one to check; it must be available.
        path: a model whose answer changes with its float inputs.
        feeds: one query for it.
        expected: its right outputs, all of them, in the model's order.
        precision: of the file.
        tolerance: absolute and relative, for each value of each output.

    Raises:
        AssertionError: a promise it breaks.
    """
    require(backend.is_available(), f"{backend.name}: not available here")
    require(path.suffix in backend.suffixes, f"{backend.name}: does not name the suffix '{path.suffix}'")
    targets = backend.targets(precision)
    require(bool(targets), f"{backend.name}: names no target for {precision}")
    check_refuses_bad_files(backend, path, targets[0])
    check_refuses_foreign_targets(backend, path, precision)
    for target in targets:
        require(target.precision == precision, f"{backend.name}: names '{target}' among those of {precision}")
        runner = backend.load(path, target)
        check_answers(runner, feeds, expected, tolerance)
        check_keeps_to_itself(runner, feeds)
        check_refuses_bad_feeds(runner, feeds)
        check_threads(runner, feeds, expected, tolerance)
        check_close(runner, feeds)


def check_answers(runner: Runner, feeds: Feeds, expected: Mapping[str, Array], tolerance: float) -> None:
    """Specs, values and the order of outputs."""
    require([each.name for each in runner.outputs] == list(expected), "outputs are not in the model's order")
    for spec in runner.inputs:
        require(spec.admits(feeds[spec.name]), f"its spec {spec} does not admit a right feed")
    for spec in runner.outputs:
        require(spec.admits(expected[spec.name]), f"its spec {spec} does not admit a right output")
    backwards = list(expected)[::-1]
    for names in (None, backwards, backwards[:1]):
        answer = runner.run(names, feeds)
        _compare(answer.outputs, [expected[name] for name in names or expected], tolerance)


def check_keeps_to_itself(runner: Runner, feeds: Feeds) -> None:
    """The caller's arrays stay as they are, and an answer stays the caller's when the next one is given."""
    asked = [{name: array.copy() for name, array in feeds.items()} for _ in range(2)]
    first, second = (runner.run(None, each).outputs for each in asked)
    kept = all(given[name].tobytes() == array.tobytes() for given in asked for name, array in feeds.items())
    require(kept, "it writes into the caller's arrays")
    shared = any(np.may_share_memory(one, other) for one, other in zip(first, second, strict=True))
    require(not shared, "the next answer lies where the last one does, which is the caller's")


def check_refuses_bad_feeds(runner: Runner, feeds: Feeds) -> None:
    """A wrong name, dtype or shape is a FeedError, and the next query is answered all the same."""
    name = runner.inputs[0].name
    right = feeds[name]
    other = np.dtype("int64") if right.dtype != np.int64 else np.dtype("float32")
    wrong: dict[str, Feeds] = {
        "a misspelt name": {f"{each}_": array for each, array in feeds.items()},
        "an unknown extra name": {**feeds, "no such input": right},
        "a missing input": {each: array for each, array in feeds.items() if each != name},
        "another dtype": {**feeds, name: right.astype(other)},
        "another rank": {**feeds, name: right[None]},
    }
    for what, given in wrong.items():
        _raises(FeedError, what, partial(runner.run, None, given))
    _raises(FeedError, "an unknown output", lambda: runner.run(["no such output"], feeds))
    runner.run(None, feeds)


def check_refuses_bad_files(backend: Backend, path: Path, target: Target) -> None:
    """A missing, empty, foreign or truncated file is a ModelError that names the file."""
    whole = path.read_bytes()
    with TemporaryDirectory() as folder:
        bad = Path(folder, f"bad{path.suffix}")
        _raises(ModelError, "a missing file", lambda: backend.load(bad, target), bad.name)
        bad.mkdir()
        _raises(ModelError, "a folder", lambda: backend.load(bad, target), bad.name)
        bad.rmdir()
        for what, content in {
            "an empty file": b"",
            "text": b"this is not a model\n" * 40,
            "a truncated file": whole[: len(whole) // 2],
        }.items():
            bad.write_bytes(content)
            _raises(ModelError, what, lambda: backend.load(bad, target), bad.name)


def check_refuses_foreign_targets(backend: Backend, path: Path, precision: str) -> None:
    """A target it does not name is refused, not replaced by another in silence."""
    foreign = Target("cloud", "npu", precision, host="no-such-host")
    _raises(InvalidTarget, "a foreign target", lambda: backend.load(path, foreign))


def check_threads(runner: Runner, feeds: Feeds, expected: Mapping[str, Array], tolerance: float) -> None:
    """Queries from several threads at once each get their own answer."""
    names = [name for name, array in feeds.items() if array.dtype.kind == "f"]
    zeroed = {name: np.zeros_like(array) if name in names else array for name, array in feeds.items()}
    of_zeros = runner.run(None, zeroed).outputs

    def ask(index: int) -> None:
        right = of_zeros if index % 2 else list(expected.values())
        _compare(runner.run(None, zeroed if index % 2 else feeds).outputs, right, tolerance)

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(ask, range(QUERIES)))


def check_close(runner: Runner, feeds: Feeds) -> None:
    """Closing twice is harmless, and a closed runner says so."""
    runner.close()
    runner.close()
    _raises(TargetError, "a query after close", lambda: runner.run(None, feeds))


def _compare(outputs: Sequence[Array], expected: Sequence[Array], tolerance: float) -> None:
    require(len(outputs) == len(expected), f"{len(outputs)} outputs came back for {len(expected)}")
    for have, want in zip(outputs, expected, strict=True):
        require(have.dtype == want.dtype, f"an output is {have.dtype}, right is {want.dtype}")
        require(have.shape == want.shape, f"an output has shape {have.shape}, right is {want.shape}")
        np.testing.assert_allclose(have, want, rtol=tolerance, atol=tolerance)


def _raises(error: type[AutoScaleError], what: str, act: Callable[[], object], naming: str = "") -> None:
    try:
        act()
    except error as raised:
        require(naming in str(raised), f"for {what}, its message does not name '{naming}': {raised}")
    except Exception as other:  # any other error is what this check is for
        raise AssertionError(
            f"for {what} it raised {type(other).__name__} instead of {error.__name__}: {other}"
        ) from other
    else:
        raise AssertionError(f"for {what} it did not raise {error.__name__}")
