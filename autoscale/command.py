"""What the commands share: help that is shown as it is written, at any width, and JSON for scripts."""

import inspect
import json
import re
from typing import Annotated, Any, Final, TypeAlias

import typer
from typer.core import HAS_RICH, TyperCommand

JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
HostOption: TypeAlias = Annotated[
    str, typer.Option("--host", help="Address to listen at; 0.0.0.0 lets other machines in.")
]
PortOption: TypeAlias = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="Port to listen at; 0 takes a free one.")
]

_TAG: Final = re.compile(r"\[(?=[a-z#/@][^\[]*\])")
_WRAPPED: Final = re.compile(r"(?<=\S)\n(?!\s|Example:)")


class Command(TyperCommand):
    """A command whose help is plain text; Rich took ``[server]`` for a style, and showed nothing in its place."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.help = _shown(flowing(self.help or ""))
        for each in self.params:
            if getattr(each, "help", None):
                each.help = _shown(each.help)  # type: ignore[attr-defined]  # an option's or argument's: click has it not


def flowing(text: str) -> str:
    r"""A docstring with each paragraph in one line, which the terminal wraps; indented lines and examples stay lines.

    >>> flowing("One\nparagraph.\n\nExample: this\nExample: that")
    'One paragraph.\n\nExample: this\nExample: that'
    """
    return _WRAPPED.sub(" ", inspect.cleandoc(text))


def _shown(text: str) -> str:
    return _TAG.sub(r"\\[", text) if HAS_RICH else text


def print_json(value: Any) -> None:
    """Print what ``--json`` asks for; in ASCII, since a terminal's own escape of other characters is no JSON."""
    print(json.dumps(value, indent=2))
