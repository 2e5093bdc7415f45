"""Exports a trained agent, asks it 10 000 contexts, and has Node answer the same: ``make export-check``."""

import argparse
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale import Context, Goal, Observation, make_agent, run_query
from autoscale.agents.correction.exploring import draw
from autoscale_envs import WorldOptions
from autoscale_envs.worlds.sim_world import SimWorld
from autoscale_runtime.policy_export import export_policy
from autoscale_runtime.policy_export.interface import feeds_of

CONTEXTS: Final = 10_000
TAUGHT: Final = 1500
PACKAGE: Final = "onnxruntime-web"


def main() -> None:
    """Exit code 1 where one choice or probability differs; skipped, aloud, where there is no Node."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export_check", description=__doc__)
    parser.add_argument("folder", type=Path, help="where Node's package and the files go")
    parser.add_argument("--contexts", type=int, default=CONTEXTS)
    asked = parser.parse_args()
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print("SKIPPED: no Node here (node and npm); the exported policy was not checked in it")
        return
    folder = asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_questions(folder, asked.contexts)
    shutil.copy(Path(__file__).with_name("answer.mjs"), folder)
    if not (folder / "node_modules" / PACKAGE).is_dir():
        quiet = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
        subprocess.run([npm, "install", "--prefix", ".", *quiet, PACKAGE], cwd=folder, check=True)
    done = subprocess.run([node, "answer.mjs"], cwd=folder, check=False)
    sys.exit(done.returncode)


def write_questions(folder: Path, count: int) -> None:
    """The graph, and of every context its inputs and what the Python agent answers."""
    world = SimWorld(WorldOptions(device="mi8pro", scenario="D3", hidden_sigma=0.3), seed=0)
    agent = make_agent("corrector", world.targets)
    for _ in range(TAUGHT):
        run_query(world, agent, None, "AUTO")
    networks = export_policy(agent, folder / "policy.onnx")["networks"]
    dice = np.random.default_rng(0)
    with (folder / "questions.jsonl").open("w") as file:
        for number in range(count):
            context = _context(world, dice, is_plain=number % 3 != 0)
            chances, uniform = agent.probabilities(context), float(dice.random())
            target = draw(chances.cumsum(), uniform)
            feeds = feeds_of(context, world.targets, networks, uniform)
            told = {"feeds": _listed(feeds), "target": target, "probability": float(chances[target])}
            file.write(json.dumps(told) + "\n")
            world.perform(None, context, agent.select(context))


def _context(world: SimWorld, dice: np.random.Generator, *, is_plain: bool) -> Context:
    """What the world shows; or that with another limit, with a floor, with fewer targets, with sensors that fail."""
    context = world.observe()
    forecast = context.forecast
    if is_plain or forecast is None:
        return context
    goal = Goal(latency_s=float(dice.choice([0.005, 0.02, 0.05, math.inf])), min_accuracy=dice.choice([None, 0.7, 1.0]))
    admitted = np.sort(dice.choice(context.admitted, dice.integers(1, context.admitted.size + 1), replace=False))
    seen = context.observation if dice.random() < 0.5 else Observation()
    return Context(context.model, seen, goal, admitted, lambda: forecast, context.reference)


def _listed(feeds: dict[str, Any]) -> dict[str, Any]:
    """Numbers as text, for JSON has neither NaN nor infinity."""
    return {name: [str(each) for each in np.ravel(value).tolist()] for name, value in feeds.items()}


if __name__ == "__main__":
    main()
