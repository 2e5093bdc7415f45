"""Answers a batch of requests with one model: each by itself, those that fit together in one run.

Requests fit together where a model may be batched and they ask for the same outputs with inputs that differ in their
first dimension alone: nothing is padded, and each gets exactly its rows. What fails together runs again one by one, so
that nobody's mistake is another's error.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import grpc
import numpy as np

from autoscale.errors import AutoScaleError, Overloaded, TargetError
from autoscale_runtime.backends.tensors import Array, Feeds
from autoscale_runtime.server.execution.decoding import Query, decoded
from autoscale_runtime.server.execution.encoding import encoded
from autoscale_runtime.server.execution.served_model import LoadedModel
from autoscale_runtime.wire.head import Bytes
from autoscale_runtime.wire.status import code_of

Parts = list[bytes | memoryview]


class Answered(NamedTuple):
    """What came of one request: its status, the parts of its body, and how long the model ran, for how many at once."""

    code: grpc.StatusCode
    parts: Parts
    compute_s: float = 0.0
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Rules:
    """What answers are held to.

    Attributes:
        most_rows: of a batch; 1 for none.
        max_bytes: of an answer; 0 for no limit.
    """

    most_rows: int = 1
    max_bytes: int = 0


def answered(model: LoadedModel, messages: Sequence[Bytes], rules: Rules) -> list[Answered]:
    """Answer each request, in order; whatever goes wrong is an answer too."""
    if len(messages) == 1:
        try:
            return [_alone(model, decoded(model.served, messages[0]), rules)]
        except AutoScaleError as error:
            return [_failed(error)]
    answers: dict[int, Answered] = {}
    queries: dict[int, Query] = {}
    for at, message in enumerate(messages):
        try:
            queries[at] = decoded(model.served, message)
        except AutoScaleError as error:
            answers[at] = _failed(error)
    for group in _groups(queries, 1 if model.served.is_apart else rules.most_rows):
        answers |= _together(model, {at: queries[at] for at in group}, rules)
    return [answers[at] for at in range(len(messages))]


def _groups(queries: dict[int, Query], most_rows: int) -> list[list[int]]:
    if most_rows <= 1 or len(queries) == 1:
        return [[at] for at in queries]
    groups: list[list[int]] = []
    by_kind = sorted(queries, key=lambda at: (_kind(queries[at]), at))
    for _, alike in itertools.groupby(by_kind, key=lambda at: _kind(queries[at])):
        rows = most_rows + 1
        for at in alike:
            count = _rows(queries[at])
            if count is None or rows + count > most_rows:
                groups.append([])
                rows = 0
            groups[-1].append(at)
            rows += most_rows if count is None else count
    return groups


def _kind(query: Query) -> str:
    """What must be equal of queries that run together."""
    inputs = sorted((name, str(array.dtype), array.shape[1:], array.ndim) for name, array in query.feeds.items())
    return repr((query.names, inputs, query.feeds and _rows(query) is None))


def _rows(query: Query) -> int | None:
    """How many rows a query has; None where its inputs differ in that, and it runs alone."""
    counts = {array.shape[0] if array.ndim else None for array in query.feeds.values()}
    return counts.pop() if len(counts) == 1 else None


def _together(model: LoadedModel, queries: dict[int, Query], rules: Rules) -> dict[int, Answered]:
    if len(queries) > 1:
        try:
            return _batched(model, queries, rules)
        except BaseException:  # whose fault it is shows when each runs by itself
            pass
    return {at: _alone(model, query, rules) for at, query in queries.items()}


def _batched(model: LoadedModel, queries: dict[int, Query], rules: Rules) -> dict[int, Answered]:
    counts = [_rows(query) or 0 for query in queries.values()]
    first = next(iter(queries.values()))
    feeds = {name: np.concatenate([query.feeds[name] for query in queries.values()]) for name in first.feeds}
    outputs, compute_s = _run(model, first.names, feeds)
    ends = [*itertools.accumulate(counts)]
    if any(array.ndim == 0 or array.shape[0] != ends[-1] for array in outputs.values()):
        raise TargetError("the outputs have not as many rows as the inputs")
    answers = {}
    for (at, query), end, count in zip(queries.items(), ends, counts, strict=True):
        rows = {name: array[end - count : end] for name, array in outputs.items()}
        answers[at] = _answer(model, query, rows, rules, compute_s, len(queries))
    return answers


def _alone(model: LoadedModel, query: Query, rules: Rules) -> Answered:
    begun_s = time.perf_counter()
    try:
        outputs, compute_s = _run(model, query.names, query.feeds)
        return _answer(model, query, outputs, rules, compute_s, 1)
    except AutoScaleError as error:
        return _failed(error)._replace(compute_s=time.perf_counter() - begun_s)
    except BaseException as error:  # a runner may be anybody's, and say sys.exit()
        return Answered(grpc.StatusCode.INTERNAL, [f"'{model.served.name}' failed: {error!r}".encode()])


def _run(model: LoadedModel, names: list[str], feeds: Feeds) -> tuple[dict[str, Array], float]:
    begun_s = time.perf_counter()
    answer = model.runner.run(names, feeds)
    compute_s = time.perf_counter() - begun_s
    outputs = answer.outputs
    if len(outputs) != len(names):
        raise TargetError(f"the model gave {len(outputs)} outputs of {len(names)}")
    return dict(zip(names, outputs, strict=True)), compute_s


def _answer(
    model: LoadedModel, query: Query, outputs: dict[str, Array], rules: Rules, compute_s: float, rows: int
) -> Answered:
    size = 0
    for array in outputs.values():
        size += array.nbytes
    if rules.max_bytes and size > rules.max_bytes:
        error = Overloaded(f"the answer has {size} bytes; allowed by this server: {rules.max_bytes}")
        return _failed(error)._replace(compute_s=compute_s, rows=rows)
    return Answered(grpc.StatusCode.OK, encoded(model.served, query, outputs), compute_s, rows)


def _failed(error: AutoScaleError) -> Answered:
    return Answered(code_of(error), [str(error).encode()])
