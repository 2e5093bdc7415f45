"""The command ``autoscale``: finds its subcommands among the entry points of the group ``autoscale.commands``."""

import codecs
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from autoscale.command import Command
from autoscale.errors import AutoScaleError
from autoscale.registry import entry_points

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "autoscale.commands"
HELP = "Decide, for every inference query, where it runs: in time, for the least energy or carbon."


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    _print_all_characters()
    try:
        build(sys.argv[1:])()
    except BrokenPipeError:
        raise SystemExit(141) from None
    except KeyboardInterrupt:  # while a command is being imported; Typer itself answers it afterwards
        raise SystemExit(130) from None
    except AutoScaleError as error:
        print(f"autoscale: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"autoscale: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        raise SystemExit(2) from None


def _print_all_characters() -> None:
    """Have what the locale's encoding lacks (µs in ASCII) printed as its escape; it ended the command."""
    codecs.register_error("autoscale-escape", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="autoscale-escape")


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """One character: the byte of a file's name that was no text, as it was (PEP 383); else the escape."""
    assert isinstance(error, UnicodeEncodeError)
    code, end = ord(error.object[error.start]), error.start + 1
    if 0xDC80 <= code <= 0xDCFF:
        return bytes([code - 0xDC00]), end
    return codecs.backslashreplace_errors(UnicodeEncodeError(error.encoding, error.object, error.start, end, ""))


def build(arguments: list[str]) -> typer.Typer:
    """The application, with the asked-for subcommand alone where one is named: the others need not be imported."""
    app = typer.Typer(name="autoscale", help=HELP, no_args_is_help=True, cls=TyperGroup, add_completion=False)
    app.callback()(lambda: None)
    commands = {point.name: point for point in entry_points(group=GROUP)}
    asked = [name for name in arguments[:1] if name in commands]
    for name in asked or sorted(commands):
        _add(app, commands[name])
    return app


def _add(app: typer.Typer, point: "EntryPoint") -> None:
    try:
        command = point.load()
    except ImportError as error:  # a broken plug-in, or a missing extra, takes away no other command
        print(f"autoscale: the command '{point.name}' cannot be loaded: {error}", file=sys.stderr)
        return
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=point.name)
    else:
        app.command(point.name, cls=Command)(command)
