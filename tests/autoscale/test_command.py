import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from autoscale.cli import GROUP, build
from autoscale.command import Command, flowing, print_json


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of a group and of its groups, with the words that ask for it."""
    if not hasattr(command, "list_commands"):
        yield words, command
        return
    for name in command.list_commands(None):
        yield from leaves(command.get_command(None, name), (*words, name))


ALL = dict(leaves(get_command(build([]))))


def shown(*words: str, columns: int = 100) -> str:
    return CliRunner().invoke(build([*words]), [*words, "--help"], env={"COLUMNS": str(columns), "TERM": "dumb"}).stdout


def test_all_commands_are_seen() -> None:
    assert {words[0] for words in ALL} == {point.name for point in entry_points(group=GROUP)}
    assert all(isinstance(command, Command) for command in ALL.values())


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_shows_what_stands_in_brackets(words: tuple[str, ...]) -> None:
    told = [ALL[words].help, *(getattr(each, "help", None) for each in ALL[words].params)]
    brackets = {each for text in told for each in re.findall(r"\[[^]\s]+\]", text or "")}
    text = re.sub(r"[\s│]+", "", shown(*words))
    assert [each for each in brackets if each not in text] == []


def test_a_table_of_a_file_is_not_taken_for_a_style() -> None:
    assert "[server]" in shown("serve")
    assert "[clients.DEVICE]" in shown("fleet", "enrol")


def test_a_paragraph_fills_the_width_and_an_example_keeps_its_line() -> None:
    text = flowing(
        """First.

        A long one
        goes on.

        Example: try
        Example: again
            an indented line
        """
    )
    assert text == "First.\n\nA long one goes on.\n\nExample: try\nExample: again\n    an indented line"


def test_json_is_json_whatever_the_terminal_has_characters_for(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"place": "Türkiye"})
    assert capsys.readouterr().out == '{\n  "place": "T\\u00fcrkiye"\n}\n'


def test_a_plugged_in_command_is_shown_alike() -> None:
    app = typer.Typer()

    @app.command("greet", cls=Command)
    def greet(name: str = typer.Option("you", help="As in [people] of the file.")) -> None:
        """Say [bold]hello[/bold] to a name."""

    text = CliRunner().invoke(app, ["--help"], env={"TERM": "dumb"}).stdout
    assert "[people]" in text
    assert "[bold]hello[/bold]" in text
