"""Docstrings as pages want them: doctests and literal blocks become code blocks, roles plain names.

An extension of Griffe, which reads the docstrings of the API pages; ``mkdocs.yml`` names it.
"""

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
_LITERAL = re.compile(r"::\n\n((?:    .*\n?|\n)+)")


class Docstrings(griffe.Extension):
    """Rewrites every docstring as it is found."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Put what is code in fences."""
        if obj.docstring is not None:
            obj.docstring.value = in_fences(obj.docstring.value)


def in_fences(text: str) -> str:
    """The text with its code in fences."""
    text = re.sub(r":\w+:`", "`", text)
    text = re.sub(r" *# doctest: \S+", "", text)
    text = _LITERAL.sub(lambda found: f":\n\n```text\n{_dedented(found[1])}\n```\n\n", text)
    text = re.sub(r"^:\n\n", "", text, flags=re.MULTILINE)
    return _DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", text)


def _dedented(block: str) -> str:
    return "\n".join(line[4:] for line in block.rstrip().splitlines())
