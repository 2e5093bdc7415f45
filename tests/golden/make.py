"""Writes golden files of today's schema of the ledger: ``python tests/golden/make.py``, once a schema.

Into ``schema-N/``: a ledger of three devices with rows in quarantine, a log of two runs of an app whose rows no
collector has, and the reports before and after they are uploaded. What is there already is never written again.
"""

import json
import math
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoscale import Goal, Method, Observation, Outcome, Record, Target, account
from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.ledger.schema import SCHEMA
from autoscale.query.considered import Considered
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.model_profile import Accuracy, ModelProfile
from autoscale.query.outcome import Split
from autoscale.query.record import Attempt, Decision
from autoscale.units import J_PER_KWH
from autoscale_runtime.fleet import LedgerWriter, Uploader
from autoscale_runtime.fleet.collector.service import collect

FIRST_S = 1_748_736_000.0
"""2025-06-01 UTC: no clock calls it the future."""

LOCAL = [Target.parse(f"device:cpu/{each}") for each in ("fp32@1t", "fp32@2t", "int8@1t", "int8@2t")]
CLOUD = Target.parse("cloud:cpu/fp32")
DEVICES = {"mi8pro": ("1.0", 220), "s10e": ("", 130), "rpi5": ("2.0-β", 90)}
MODELS = ("mobilenet-v1", "inception-v1", "Größe-模型")


def record(number: int, device: str, model: str) -> Record:
    """One of many that differ; some fell back, some are late, of some little is known."""
    dice = np.random.default_rng([SCHEMA, number])
    is_remote = dice.random() < 0.4
    chosen = CLOUD if is_remote else LOCAL[int(dice.integers(4))]
    has_failed = is_remote and dice.random() < 0.3
    tried = (chosen, LOCAL[int(dice.integers(4))]) if has_failed else (chosen,)
    energy_j = Split(dice.gamma(2, 0.02), dice.gamma(2, 0.004) * is_remote, dice.gamma(2, 0.05) * is_remote)
    device_g_per_kwh, pue = 41.0 + number % 50, 1.1 if is_remote else None
    carbon_g = Split(
        energy_j.device * device_g_per_kwh / J_PER_KWH,
        energy_j.network * 250.25 / J_PER_KWH,
        energy_j.remote * 290.5 * 1.1 / J_PER_KWH,
    )
    outcome = Outcome(
        float(dice.gamma(2.0, 0.012)),
        energy_j,
        carbon_g,
        Split(2e-9, 1e-10 * is_remote, 5e-9 * is_remote),
        None if number % 5 == 0 else 0.71,
        {"latency_s": Method.MEASURED, "energy_j.device": list(Method)[number % 3]},
        pue_remote=pue,
    )
    attempts = tuple(Attempt(each, 0.01) for each in tried)
    probability = 0.4 if is_remote else 0.6 / len(LOCAL)
    decision = Decision("AUTO", chosen, attempts, 0.013 if number % 7 else None, None, outcome, probability, -1.0)
    seen = {"device": device_g_per_kwh} | ({"cloud": 290.5, "network": 250.25} if number % 3 else {})
    goal = Goal("carbon", 0.05 if number % 6 else math.inf, 0.7 if number % 8 == 0 else None)
    regions, kinds = {"device": ("FRA", "DEU")[number % 2], "cloud": "IRL"}, {"device": "average", "cloud": "marginal"}
    time_s = FIRST_S + 613.7 * (number % 1000)
    observation = Observation(intensity_g_per_kwh=seen)
    kept = None if number % 4 else considered(model, observation, goal, dice)
    return Record(time_s, device, model, goal, observation, decision, regions, kinds, considered=kept)


def considered(model: str, observation: Observation, goal: Goal, dice: np.random.Generator) -> Considered:
    """All targets but one, each with a forecast."""
    targets = (*LOCAL, CLOUD)
    forecast = Forecast(*(dice.gamma(2.0, scale, len(targets)) for scale in (0.01, 0.02, 1e-4)), np.full(5, 0.71))
    profile = ModelProfile(model, conv=20, macs=300, output_bytes=12, accuracies={"fp32": Accuracy(0.71, "made up")})
    return Considered(targets, Context(profile, observation, goal, np.array([0, 1, 2, 4]), lambda: forecast, 0.05))


def log(folder: Path, device: str, version: str, first: int, count: int) -> None:
    """Every ninth record of a Raspberry Pi is of a clock that was never set."""
    with LedgerWriter(folder, app_version=version) as writer:
        for number in range(first, first + count):
            made = record(number, device, MODELS[number % 3])
            writer.append(replace(made, time_s=1.0) if device == "rpi5" and number % 9 == 0 else made)


def write(out: Path) -> None:
    """All of it, into a new folder."""
    out.mkdir()
    for first, version in ((5000, "1.1"), (6000, "1.2")):
        log(out / "log", "mi8pro", version, first, 150)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for first, (device, (version, count)) in enumerate(DEVICES.items()):
            log(scratch / device, device, version, 1000 * first, count)
        upload(out / "ledger", *(scratch / device for device in DEVICES))
        report(out / "ledger", out / "report.json")
        waiting, ledger = (shutil.copytree(out / each, scratch / each) for each in ("log", "ledger"))
        upload(ledger, waiting)
        report(ledger, out / "report_after_upload.json")
    for each in out.rglob("lock"):
        each.unlink()


def upload(ledger: Path, *logs: Path) -> None:
    """Logs into a ledger."""
    with collect(ledger) as collector:
        for each in logs:
            with Uploader(each, collector.address) as uploader:
                uploader.upload()


def report(ledger: Path, path: Path) -> None:
    """What is reported of a ledger, wherever that is."""
    path.write_text(json.dumps(as_json(account(ledger)) | {"ledger": "ledger"}, indent=1))


if __name__ == "__main__":
    write(Path(__file__).parent / f"schema-{SCHEMA}")
