"""Scenarios of one's own: by file, by object, and what is wrong with them."""

import copy
import pickle
from pathlib import Path

import pytest

from autoscale.agents.base import Choice
from autoscale.errors import InvalidInput, ProfileError
from autoscale_envs.variance.scenario_file import load_scenario
from autoscale_envs.variance.scenarios import SCENARIOS, CoRunner, Outages, Scenario, Signal
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.sim_world import SimWorld

FULL = """
schema = 1
name = "X1"
title = "mine"
dwell_s = 20
change = 2.5
change_queries = [10, 20]
drift = 0.2
drift_period_s = 60
air_c = 30
start_c = 41
heat_w = 2
[[co_runners]]
cpu_load = 0.5
memory_load = 0.5
[[co_runners]]
weight = 3
[cloud]
level = "weak"
[edge]
sd_db = 1.5
memory_s = 0
[outages]
share = 0.1
mean_s = 5
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_file_says_all_that_an_object_does(tmp_path: Path) -> None:
    assert load_scenario(written(tmp_path, FULL)) == Scenario(
        "X1",
        "mine",
        (CoRunner(0.5, 0.5), CoRunner(weight=3)),
        20,
        Signal("weak"),
        Signal(sd_db=1.5, memory_s=0),
        2.5,
        (10, 20),
        0.2,
        60,
        Outages(0.1, 5),
        30,
        41,
        2,
    )
    assert load_scenario("d5") is SCENARIOS["D5"]


@pytest.mark.parametrize("scenario", [Scenario("X", "mine", (CoRunner(0.5),)), "mine.toml"])
def test_a_world_takes_it_and_can_be_copied(scenario: Scenario | str, tmp_path: Path) -> None:
    scenario = str(written(tmp_path, FULL)) if isinstance(scenario, str) else scenario
    world = SimWorld(WorldOptions(scenario=scenario), seed=1)
    for _ in range(3):
        world.perform(None, world.observe(), Choice(0, 1.0))
    for copied in (copy.deepcopy(world), pickle.loads(pickle.dumps(world))):
        assert copied.truth().energy_j.tolist() == world.truth().energy_j.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 1", "'name' is missing"),
        ('schema = 2\nname = "X"', "schema is 2; allowed: 1"),
        ('schema = 1\nname = "X"\ndwel_s = 3', "unknown key 'dwel_s' in the file (did you mean 'dwell_s'?)"),
        ('schema = 1\nname = "X"\ndwell_s = "3"', "dwell_s is '3'; allowed: a number"),
        ('schema = 1\nname = "X"\nchange_queries = 5', "change_queries is 5; allowed: two whole numbers"),
        ('schema = 1\nname = "X"\nchange_queries = [9, 5]', "allowed: two whole numbers, rising"),
        ('schema = 1\nname = "X"\nco_runners = []', "allowed: one CoRunner or more"),
        ('schema = 1\nname = "X"\n[[co_runners]]\ncpu_load = 5', "cpu_load of a co-runner is 5"),
        ('schema = 1\nname = "X"\n[cloud]\nlevel = "strong"', "level of a signal is 'strong'; allowed: 'regular'"),
        ('schema = 1\nname = "X"\n[outages]\nmean_s = 5', "'outages.share' is missing"),
        ('schema = 1\nname = "X"\n[outages]\nshare = 1.0', "share of outages is 1.0"),
        ("name = ", "is not TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        load_scenario(written(tmp_path, text))
    assert message in str(caught.value)


@pytest.mark.parametrize("scenario", [3, None, ("S1",)])
def test_another_type_is_refused(scenario: object) -> None:
    with pytest.raises(InvalidInput, match="allowed: one of S1, S2"):
        load_scenario(scenario)  # type: ignore[arg-type]
