"""docs/environment.md says what the code does: its entries, arguments, keys and scenarios are the real ones."""

import re
from inspect import signature
from pathlib import Path

import pytest

from autoscale.agents.features import FEATURES, LINEAR, LOGARITHMIC
from autoscale_envs.variance.hidden import USUAL_SHARES
from autoscale_envs.variance.scenario_file import load_scenario
from autoscale_envs.variance.scenarios import SCENARIOS
from autoscale_envs.worlds.options import WorldOptions

gymnasium = pytest.importorskip("gymnasium")

PAGE = (Path(__file__).parents[3] / "docs" / "environment.md").read_text()


def table(header: str) -> list[list[str]]:
    """The cells of the rows of the table that begins with that header."""
    rows = PAGE.split(header, 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip(" `") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def value(name: str) -> str:
    """How the page prints the scale of a feature."""
    if name in LINEAR:
        offset, span = LINEAR[name]
        top = "x" if offset == 0 else f"(x + {-offset:g})"
        return top if span == 1 and offset == 0 else f"{top} / {span:g}"
    floor, decades = LOGARITHMIC[name]
    return f"log10(x / {floor:g}) / {decades:g}"


def test_every_entry_of_an_observation() -> None:
    rows = table("| | entry | meaning | unit | value |")
    assert [(int(row[0]), row[1], row[4]) for row in rows] == [
        (i, each, value(each)) for i, each in enumerate(FEATURES)
    ]
    assert all(row[2] and row[3] for row in rows)


def test_every_argument_with_its_default() -> None:
    options = {name: each.default for name, each in signature(WorldOptions).parameters.items()} | {
        "links": {},
        "hidden_shares": {**USUAL_SHARES},
    }
    options |= {"oracle": False, "render_mode": None, "autoreset_mode": "NextStep"}
    shown = {row[0]: row[1].replace('"', "'") for row in table("| argument | default | meaning |")}
    assert shown == {name: repr(default) for name, default in options.items()}


def test_every_key_of_a_steps_information() -> None:
    env = gymnasium.make("autoscale_envs:AutoScale/EdgeInference-v0", oracle=True)
    env.reset(seed=0)
    info = env.step(0)[-1]
    assert {row[0] for row in table("| key | meaning | unit |")} == set(info)


def test_the_scenario_of_ones_own_is_one(tmp_path: Path) -> None:
    text = PAGE.split("```toml\n", 1)[1].split("```", 1)[0]
    (tmp_path / "mine.toml").write_text(text)
    assert load_scenario(tmp_path / "mine.toml").name == "X1"


def test_every_scenario() -> None:
    assert {row[0] for row in table("| scenario | what varies |")} == SCENARIOS.keys()
