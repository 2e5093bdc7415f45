"""Protobuf's text format, as Triton's ``config.pbtxt`` is written in: read into plain lists, without a schema."""

import re
from collections.abc import Iterator
from typing import Any, Final

from autoscale.errors import RepositoryError

_TOKEN: Final = re.compile(
    r"""\s+|\#[^\n]*|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[-+.\w]+)|(?P<mark>[{}<>\[\]:,;])"""
)
_CLOSES: Final = {"{": "}", "<": ">"}
_DEEPEST: Final = 32

Message = list[tuple[str, Any]]
"""Fields in their order: a name, and a text, a quoted text (``Quoted``) or a message."""


class Quoted(str):
    """A text that stood in quotes."""


def parse_text(text: str, where: str) -> Message:
    """The fields of a message.

    Raises:
        RepositoryError: it is not in that format; the line is told.
    """
    tokens = [*_tokens(text, where)]
    message, at = _fields(tokens, 0, "", where, 0)
    if at < len(tokens):
        raise RepositoryError(f"{where}, line {tokens[at][2]}: '{tokens[at][1]}' closes what was not opened")
    return message


def _tokens(text: str, where: str) -> Iterator[tuple[str, str, int]]:
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise RepositoryError(f"{where}, line {line}: {text[at : at + 20]!r} is not in protobuf's text format")
        if match.lastgroup is not None:
            yield match.lastgroup, match[0], line
        line += match[0].count("\n")
        at = match.end()


def _fields(tokens: list[tuple[str, str, int]], at: int, closing: str, where: str, depth: int) -> tuple[Message, int]:
    message: Message = []
    while at < len(tokens) and tokens[at][1] != closing and tokens[at][1] not in _CLOSES.values():
        kind, name, line = tokens[at]
        if kind == "mark" and name in ",;":
            at += 1
            continue
        if kind != "word" or depth > _DEEPEST:
            raise RepositoryError(f"{where}, line {line}: {name} stands where a field's name should")
        at += 1
        if at < len(tokens) and tokens[at][1] == ":":
            at += 1
        values, at = _values(tokens, at, where, depth, line)
        message += [(name, each) for each in values]
    return message, at


def _values(tokens: list[tuple[str, str, int]], at: int, where: str, depth: int, line: int) -> tuple[list[Any], int]:
    if at >= len(tokens):
        raise RepositoryError(f"{where}, line {line}: the field has no value")
    if tokens[at][1] != "[":
        value, at = _value(tokens, at, where, depth)
        return [value], at
    values, at = [], at + 1
    while at < len(tokens) and tokens[at][1] != "]":
        if tokens[at][1] == ",":
            at += 1
            continue
        value, at = _value(tokens, at, where, depth)
        values.append(value)
    if at >= len(tokens):
        raise RepositoryError(f"{where}, line {line}: a list does not end")
    return values, at + 1


def _value(tokens: list[tuple[str, str, int]], at: int, where: str, depth: int) -> tuple[Any, int]:
    kind, text, line = tokens[at]
    if kind == "string":
        whole = ""
        while at < len(tokens) and tokens[at][0] == "string":
            whole += re.sub(r"\\(.)", r"\1", tokens[at][1][1:-1])
            at += 1
        return Quoted(whole), at
    if kind == "word":
        return text, at + 1
    if text not in _CLOSES:
        raise RepositoryError(f"{where}, line {line}: '{text}' stands where a value should")
    message, at = _fields(tokens, at + 1, _CLOSES[text], where, depth + 1)
    if at >= len(tokens) or tokens[at][1] != _CLOSES[text]:
        raise RepositoryError(f"{where}, line {line}: '{text}' is not closed")
    return message, at + 1
