"""Hourly sums as messages and back: what a device sends in place of rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from google.protobuf.message import DecodeError

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.hourly import HourlySums
from autoscale.fleet.ledger.rollup import SUMS
from autoscale.fleet.ledger.schema import SCHEMA
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import LaterSchema, check_lost
from autoscale_runtime.fleet.columns import number_message, text_column, text_message, whole_column

KEY_BYTES: Final = 16
MOST_SUMS: Final = 16_384
"""In one message."""

_TEXTS: Final = tuple(name for name, kind in SUMS.items() if kind == "text")
_NUMBERS: Final = tuple(name for name, kind in SUMS.items() if kind != "text")


@dataclass(frozen=True, slots=True)
class SumsMessage:
    """What one message holds.

    Attributes:
        key: of the message; it counts once.
        sums: of the queries.
        lost: cause or reason to rows that are in none of them.
    """

    key: bytes
    sums: HourlySums
    lost: Mapping[str, int]


def message_of(sent: SumsMessage) -> pb.Sums:
    """As it is sent."""
    return pb.Sums(
        schema=SCHEMA,
        key=sent.key,
        sums=len(sent.sums),
        numbers=[number_message(name, values) for name, values in sent.sums.numbers.items()],
        texts=[text_message(name, texts.trimmed()) for name, texts in sent.sums.texts.items()],
        lost=dict(sent.lost),
    )


def read_sums(content: bytes) -> SumsMessage:
    """A message as it came.

    Raises:
        LaterSchema: its columns are not known here yet.
        InvalidInput: it is none, has no key, or lacks a column or has one that is not as long as it says.
    """
    try:
        message = pb.Sums.FromString(content)
    except DecodeError as error:
        raise InvalidInput(f"sums of {len(content)} bytes cannot be read: {error}") from error
    if message.schema > SCHEMA:
        raise LaterSchema(f"schema is {message.schema}; allowed: up to {SCHEMA}; update the collector")
    count = message.sums
    if message.schema < 1 or len(message.key) != KEY_BYTES or not 0 < count <= MOST_SUMS:
        given = f"schema {message.schema}, a key of {len(message.key)} bytes, {count} sums"
        raise InvalidInput(f"sums say {given}; allowed: {KEY_BYTES} bytes, and 1 to {MOST_SUMS} sums")
    check_lost(message.lost)
    _check_names("numbers", [each.name for each in message.numbers], _NUMBERS)
    _check_names("texts", [each.name for each in message.texts], _TEXTS)
    lengths, sum_of = np.array([count], np.int64), np.zeros(count, np.int64)
    numbers = {each.name: whole_column(each.name, [each.values], [each.width], lengths) for each in message.numbers}
    texts = {each.name: text_column(each.name, [each], lengths, sum_of) for each in message.texts}
    ordered = {name: numbers[name] for name in _NUMBERS}
    return SumsMessage(message.key, HourlySums(ordered, {name: texts[name] for name in _TEXTS}), dict(message.lost))


def _check_names(kind: str, given: list[str], allowed: tuple[str, ...]) -> None:
    if sorted(given) != sorted(allowed):
        wrong = sorted(set(given).symmetric_difference(allowed))[:8]
        raise InvalidInput(f"sums lack or add the {kind} {wrong}; allowed: the {len(allowed)} of sums, each once")
