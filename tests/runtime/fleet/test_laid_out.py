"""Batches that are read all at once from their bytes: the same rows come of them as of each alone."""

import numpy as np
import pytest

from autoscale.fleet import Rows
from autoscale.fleet.ledger.rows import Texts, joined
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import batch_of, read_batch, rows_of
from autoscale_runtime.fleet.laid_out import MANY, laid_out
from tests.runtime.fleet.fleet_parts import as_lists, rows_of_log


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Ten rows of a log."""
    return rows_of_log(tmp_path_factory.mktemp("log"), 10)


def laid_out_otherwise(rows: Rows) -> dict[str, bytes]:
    """What Protobuf reads, too, and is not laid out as the batches of our devices are; but for the last."""
    plain = batch_of(rows, "device", "log", {})
    first, head = plain.numbers[0], pb.Batch(schema=plain.schema, device_id="device", log_id="log", rows=len(rows))
    columns = pb.Batch(numbers=plain.numbers, texts=plain.texts)
    later = Rows({**rows.numbers, "sequence": rows.numbers["sequence"] + 5}, rows.texts)
    long_words = Texts(rows.texts["considered"].codes * 0, ("x" * 40_000,))
    split = [pb.Numbers(values=first.values), pb.Numbers(name=first.name, width=first.width)]
    swapped = b"".join(each.SerializeToString() for each in split)
    rest = pb.Batch(numbers=plain.numbers[1:], texts=plain.texts).SerializeToString()
    column = b"\x2a" + bytes([len(swapped)]) + swapped
    return {
        "head last": columns.SerializeToString() + head.SerializeToString(),
        "head twice": pb.Batch(device_id="other", rows=3).SerializeToString() + plain.SerializeToString(),
        "rows told again": pb.Batch(rows=3).SerializeToString() + plain.SerializeToString(),
        "values first": head.SerializeToString() + column + rest,
        "an unknown field": b"\xfa\x01\x01x" + plain.SerializeToString(),
        "long": batch_of(
            Rows(rows.numbers, {**rows.texts, "considered": long_words}), "d", "l", {}
        ).SerializeToString(),
        "texts first": pb.Batch(texts=plain.texts).SerializeToString()
        + pb.Batch(schema=2, device_id="d", log_id="l", rows=len(rows), numbers=plain.numbers).SerializeToString(),
        "losses": batch_of(later, "device", "log", {"space": 7}, begins=5).SerializeToString(),
    }


@pytest.mark.parametrize("first", [0, 3])
def test_what_is_laid_out_alike_is_read_at_once_and_the_rest_as_before(rows: Rows, first: int) -> None:
    """Hundreds of batches of unlike widths, words and lengths, with some among them that are laid out otherwise."""
    chance = np.random.default_rng(7)
    contents = []
    for i in range(3 * MANY):
        length = int(chance.integers(1, len(rows) + 1))
        latency_us = rows.numbers["latency_us"] << int(chance.integers(0, 40))
        model = Texts(np.arange(len(rows), dtype=np.int32) % 3, tuple(f"{'m' * (i % 200)}{k}" for k in range(3)))
        unlike = Rows({**rows.numbers, "latency_us": latency_us}, {**rows.texts, "model": model})
        contents.append(batch_of(unlike.take(np.arange(length)), "d" * (i % 60 + 1), f"l{i}", {}).SerializeToString())
    contents[first::17] = [*laid_out_otherwise(rows).values(), *contents][: len(contents[first::17])]
    batches = [read_batch(each) for each in contents]
    assert laid_out(contents, batches).which.sum() == len(batches) - 7
    together = rows_of(*batches, contents=contents)
    assert as_lists(together) == as_lists(joined([rows_of(each) for each in batches]))
