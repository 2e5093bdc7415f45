"""Measured rows as their sources publish them: MLPerf Inference's power logs and LiteRT's board, by device of ours.

The data lies beside the checkout. A source with many networks on a device is split by network into fit rows, which
ship in the device's file, and check rows, which nothing of ours has seen: by the first byte of SHA-256 of the network's
name, even to fit and odd to check. Where a device has few networks, all its rows ship, and each network is checked by
what the others say of it.
"""

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoscale.interval import Interval
from autoscale.profiles.measured import MeasuredRow
from autoscale.query.target import Target
from autoscale.units import s_from_ms
from benchmarks.calibration.architectures import PAPER

DATA: Final = Path(__file__).resolve().parents[3] / "shared" / "data"
MANY: Final = 20
"""Networks on a device from which on a source is split."""

MLPERF: Final = """\
Derived from MLPerf Inference logs, mlcommons/inference_results_{round} (commit {commit}, Apache-2.0), {submitter}, \
{systems}: single stream, wall power of the whole system; median, 90th percentile, spread of the rounds"""
BOARD: Final = """\
LiteRT leaderboard, google-ai-edge/litert-samples benchmark/leaderboard/data/board.json (commit 187fde03, \
2026-09-18, Apache-2.0), {device}, LiteRT 2.2.0 benchmark_model: median, 5th and 95th percentile of runs; threads are \
not stated, the rates are those of one core; the GPU delegate computes in fp16 by default"""

COMMITS: Final = {"v1.0": "f7759baf", "v1.1": "7fc43356", "v2.0": "425a0d30", "v2.1": "91f7859b", "v3.0": "1948f9b5"}
SYSTEMS: Final = {
    "rpi4": ("rpi4-",),
    "rk3588s": ("firefly-",),
    "odroid-n2plus": ("odroid-",),
    "jetson-xavier": ("AGX_Xavier_TRT_MaxQ",),
    "jetson-xavier-nx": ("Xavier_NX_TRT_MaxQ",),
    "t4-server": ("XE2420_edge_T4x4_TRT",),
    "a2-server": ("XR4520c_MaxQ_A2x1_TRT_MaxQ",),
    "a30-server": ("XE2420_A30x1_TRT_MaxQ",),
    "a100-server": ("NE5260M5_A100-PCIe-80GBx2_TRT_MaxQ",),
}
"""Device to how the systems begin that it was measured as."""

BOARDS: Final = {"pixel9": "Pixel 9 Pro", "galaxy-s25": "Galaxy S25 Ultra"}
_CLOSED: Final = {
    "resnet50": "resnet-50",
    "ssd-mobilenet": "ssd-mobilenet-v1",
    "ssd-resnet34": "ssd-resnet34-1200",
    "retinanet": "retinanet-800",
    "bert-99": "bert-large-squad",
    "rnnt": "rnnt",
}
_LITERT: Final = {
    "moonshine_tiny_5s_f32.tflite": "moonshine-tiny-5s",
    "whisper_base_30s_f32.tflite": "whisper-base-30s",
    "mobilenet_v3_small.tflite": "mobilenet-v3-small-1.0-224",
    "mobilenet_v2.tflite": "mobilenet-v2",
    "mobilenet_v2_int8_channelwise.tflite": "mobilenet-v2",
    "squeezenet1_1.tflite": "squeezenet-1.1-224",
    "efficientnet_b0.tflite": "efficientnet-b0-224",
    "resnet50.tflite": "resnet-50",
    "convnext_tiny.tflite": "convnext-tiny-224",
    "vit_base_patch16_224_fp32.tflite": "vit-b-16-224",
    "lraspp_mobilenet_v3_large.tflite": "lraspp-mobilenet-v3-large-520",
}
_ENDINGS: Final = {"-non-quantized": "fp32", "-quantized": "int8", "_float": "fp32", "_uint8": "int8"}


@dataclass(frozen=True, slots=True)
class Logged:
    """One log of MLPerf's."""

    round: str
    row: MeasuredRow
    idle_w: float


def measured(device: str) -> list[MeasuredRow]:
    """Every row of a device, the newest round of a network on a target; none for a device of no source."""
    if device in BOARDS:
        return list(_board(BOARDS[device]))
    return _newest(_logs(device)) if device in SYSTEMS else []


def idle_w(device: str) -> float:
    """The least that its newest logs saw just before or after a run: close to idle, an upper estimate of it."""
    logs = list(_logs(device))
    newest = max(log.round for log in logs)
    return min(log.idle_w for log in logs if log.round == newest)


def is_fit(rows: Iterable[MeasuredRow], network: str) -> bool:
    """Whether a network's rows ship with the device."""
    is_split = len({row.network for row in rows}) >= MANY
    return not is_split or hashlib.sha256(network.encode()).digest()[0] % 2 == 0


def _newest(logs: Iterable[Logged]) -> list[MeasuredRow]:
    """The newest round of each, its ends widened by what the middle was in the others."""
    rounds: dict[tuple[str, Target], list[Logged]] = {}
    for log in logs:
        rounds.setdefault((log.row.network, log.row.target), []).append(log)
    return [_widened(sorted(each, key=lambda log: log.round)) for each in rounds.values()]


def _widened(logs: list[Logged]) -> MeasuredRow:
    newest = logs[-1].row
    latency_s = _holding(newest.latency_s, [log.row.latency_s.mid for log in logs])
    joules = [log.row.energy_j for log in logs if log.row.energy_j is not None]
    energy_j = _holding(joules[-1], [each.mid for each in joules])
    return MeasuredRow(
        newest.network, newest.target, latency_s, energy_j, newest.power_w, newest.accuracy, newest.source
    )


def _holding(ends: Interval, values: list[float]) -> Interval:
    return Interval(min(ends.low, *values), ends.mid, max(ends.high, *values))


def _logs(device: str) -> Iterator[Logged]:
    for entry in _read(DATA / "inference_energy" / "mlperf_power" / "runs.csv"):
        is_ours = any(entry["system"].startswith(each) for each in SYSTEMS[device])
        if is_ours and entry["scenario"] == "singlestream" and (row := _logged(device, entry)) is not None:
            yield Logged(entry["round"], row, float(entry["min_watts_in_log"]))


def _logged(device: str, entry: dict[str, str]) -> MeasuredRow | None:
    named = _network(entry["model"], entry["weight_data_types"])
    if named is None:
        return None
    network, precision = named
    mid_s, late_s = s_from_ms(float(entry["p50_ms"])), s_from_ms(float(entry["p90_ms"]))
    energy_j = float(entry["mj_per_sample"]) / 1e3
    accuracy = entry["top1_accuracy_pct"] if network != "rnnt" else ""
    return MeasuredRow(
        network,
        _target(entry["system"], precision),
        Interval(max(2.0 * mid_s - late_s, 0.8 * mid_s), mid_s, late_s),
        Interval.about(energy_j, 0.03),
        float(entry["avg_watts"]),
        round(float(accuracy) / 100.0, 5) if accuracy else None,
        _mlperf_source(device, entry),
    )


def _mlperf_source(device: str, entry: dict[str, str]) -> str:
    systems = re.split(r"-(?:tflite|armnn)", entry["system"])[0]
    where = {"round": entry["round"], "commit": COMMITS[entry["round"]], "submitter": entry["submitter"]}
    return MLPERF.format(systems=systems, **where)


def _network(model: str, data_types: str) -> tuple[str, str] | None:
    """Its name here and its precision; None of one whose work differs from round to round."""
    if model in _CLOSED:
        return _CLOSED[model], data_types
    for ending, precision in _ENDINGS.items():
        if model.endswith(ending):
            name = re.sub(r"_224_(.*)", r"-\1-224", model.removesuffix(ending))
            return PAPER.get(name, name), precision
    return None


def _target(system: str, precision: str) -> Target:
    engine = next((each for each in ("tflite", "armnn") if each in system), "tensorrt")
    processor = "cpu" if "neon" in system or "ruy" in system else "gpu"
    return Target("device", processor, precision, engine=engine)


def _board(device: str) -> Iterator[MeasuredRow]:
    for entry in _read(DATA / "inference_latency" / "litert_board" / "board.csv"):
        is_taken = int(entry["nodes_delegated"] or 0) >= 0.8 * int(entry["nodes_total"] or 1)
        network, processor = _LITERT.get(entry["file"]), entry["accelerator"]
        precision = "int8" if "int8" in entry["file"] else "fp32"
        if entry["device"] != device or network is None or not is_taken or (processor, precision) == ("gpu", "int8"):
            continue
        ends = [s_from_ms(float(entry[key])) for key in ("p5_ms", "median_ms", "p95_ms")]
        setting = {"threads": 1} if processor == "cpu" else {}
        target = Target("device", processor, precision if processor == "cpu" else "fp16", engine="litert", **setting)
        yield MeasuredRow(network, target, Interval(*ends), source=BOARD.format(device=device))


def _read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
