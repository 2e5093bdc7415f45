"""From the rows of MLPerf Inference's power submissions to a measured table.

A row is one run of one model on one *system*: a board with a runtime, as in ``firefly-armnn-v22.11-opencl``. Of its
columns these are used: ``round, system, model, scenario, weight_data_types, mean_ms, p90_ms, mj_per_sample,
top1_accuracy_pct``, and of the table of systems ``round, system, accelerator, framework``. Of a board, runtime and
network the newest round stands in the table; how far rounds lie apart, and how many there are, stands beside it.

What comes of it is derived from MLPerf Inference logs, and no official result of MLPerf.

>>> parse_system("firefly-armnn-v22.11-opencl", "", "")
System(board='firefly', runtime='armnn', variant='opencl', processor='gpu')
>>> parse_system("Xavier_NX_TRT_MaxQ", "JetPack 4.6, TensorRT 8.0.1, CUDA 10.2", "NVIDIA Xavier NX")
System(board='xavier-nx-maxq', runtime='tensorrt', variant='', processor='gpu')
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final, NamedTuple

from autoscale.errors import InvalidInput, listing, one_of
from autoscale.profiles.measured import MOST
from autoscale.query.target import PRECISIONS, Target
from autoscale_envs.measured.table import MeasuredRun

SCENARIO: Final = "singlestream"
RUNTIMES: Final = {
    **{each: each for each in ("armnn", "tflite", "tensorrt", "openvino", "onnxruntime", "qaic", "snpe", "qnn", "tvm")},
    **{"trt": "tensorrt", "ort": "onnxruntime", "litert": "tflite"},
}
"""What a system's name says of its runtime, and the engine that targets are named by."""
PROCESSORS: Final = {
    **dict.fromkeys(("opencl", "gpu", "cuda", "vulkan"), "gpu"),
    **dict.fromkeys(("neon", "ruy", "xnnpack", "cpu", "ref"), "cpu"),
    **dict.fromkeys(("aic100", "edgetpu", "tpu", "npu", "dsp", "hexagon", "nnapi", "dla"), "npu"),
}
"""What it says of where that runs."""
NEEDED: Final = ("round", "system", "model", "scenario", "mean_ms", "mj_per_sample")
_WORD: Final = re.compile(r"[-_]")
_VERSION: Final = re.compile(r"v?\d[\d.]*")
_INT8: Final = re.compile(r"(?<!non)[-_](quantized|uint8|int8)$")
_FP32: Final = re.compile(r"[-_](non-quantized|float|fp32)$")

Line = Mapping[str, str]


class System(NamedTuple):
    """A system's name, taken apart: the board, the runtime with its variant, and the processor it computes on."""

    board: str
    runtime: str
    variant: str
    processor: str


class LogRow(NamedTuple):
    """A row of the logs, read."""

    round: str
    system: System
    network: str
    precision: str
    latency_s: float
    latency_p90_s: float | None
    energy_j: float
    accuracy: float | None


def convert(
    runs: Path, systems: Path | None = None, boards: Mapping[str, str] | None = None, *, joined: bool = False
) -> list[MeasuredRun]:
    """The measured rows of a file of runs.

    Args:
        runs: the runs.
        systems: what the systems are made of; without, their names alone tell.
        boards: name of a board in the file to the name that it shall have, for one that goes by several.
        joined: whether the variants of a network in several precisions are one network, as ``mobilenet-v1-1.0-224`` of
            ``...-quantized`` and ``...-non-quantized``; else each is a network of its own, as MLPerf has it.

    Raises:
        InvalidInput: a file that is none of these; the message names line, column and value.
        UnknownName: a board to be renamed that the file does not have; the message names the nearest.
        OSError: one cannot be read.
    """
    known = (
        {(line["round"], line["system"]): line for _, line in _lines(systems, ("round", "system"))} if systems else {}
    )
    errors: list[str] = []
    found = [
        run
        for number, line in _lines(runs, NEEDED)
        if line["scenario"].lower() == SCENARIO and (run := _run(number, line, known, joined, errors))
    ]
    if errors:
        raise InvalidInput(f"{runs}: " + "\n".join(errors[:20]))
    if not found:
        raise InvalidInput(f"{runs} holds no run of the scenario '{SCENARIO}'; allowed: one or more")
    for name in boards or {}:
        one_of(f"board in {runs}:", name, dict.fromkeys(run.system.board for run in found))
    return _newest([_renamed(run, boards or {}) for run in found])


def _renamed(run: LogRow, boards: Mapping[str, str]) -> LogRow:
    return run._replace(system=run.system._replace(board=boards.get(run.system.board, run.system.board)))


def parse_system(name: str, framework: str, accelerator: str) -> System:
    """What a system's name, framework and accelerator (as the submitter states them) tell of it."""
    words = [word for word in _WORD.split(name) if word]
    at = next((number for number, word in enumerate(words) if word.lower() in RUNTIMES), len(words))
    board, further = words[:at], words[at + 1 :]
    runtime = RUNTIMES[words[at].lower()] if at < len(words) else _stated(framework)
    rest = [word.lower() for word in further if not _VERSION.fullmatch(word.lower())]
    where = [word for word in rest if word in PROCESSORS]
    modes = [word for word in rest if word not in PROCESSORS]
    processor = PROCESSORS[where[0]] if where else _processor(accelerator)
    return System(
        "-".join(dict.fromkeys(word.lower() for word in [*board, *modes])), runtime, "-".join(where), processor
    )


def _stated(framework: str) -> str:
    found = (RUNTIMES[word] for word in re.split(r"[^a-z]+", framework.lower()) if word in RUNTIMES)
    return next(found, "")


def _processor(accelerator: str) -> str:
    """By what beside the CPU the system has: a GPU by its maker's name, an NPU else."""
    if accelerator.strip() in ("", "-", "n/a", "N/A", "None"):
        return "cpu"
    return "gpu" if re.search(r"nvidia|geforce|radeon|mali|adreno|gpu", accelerator, re.IGNORECASE) else "npu"


def _newest(found: Sequence[LogRow]) -> list[MeasuredRun]:
    groups: dict[tuple[System, str, str], list[LogRow]] = {}
    for run in found:
        groups.setdefault((run.system, run.network, run.precision), []).append(run)
    variants: dict[tuple[str, str, str], set[str]] = {}
    for system in {run.system for run in found}:
        variants.setdefault((system.board, system.runtime, system.processor), set()).add(system.variant)
    return [
        _row(runs, len(variants[runs[0].system.board, runs[0].system.runtime, runs[0].system.processor]) > 1)
        for runs in groups.values()
    ]


def _row(runs: Sequence[LogRow], has_variants: bool) -> MeasuredRun:
    """The newest round's mean, and how far the rounds' lie apart."""
    last = max((run.round for run in runs), key=_round)
    newest = [run for run in runs if run.round == last]
    system, network, precision = newest[0].system, newest[0].network, newest[0].precision
    engine = f"{system.runtime}-{system.variant}" if has_variants and system.variant else system.runtime
    target = Target("device", system.processor, precision, engine=engine)
    p90s = [run.latency_p90_s for run in newest if run.latency_p90_s is not None]
    accuracies = [run.accuracy for run in newest if run.accuracy is not None]
    return MeasuredRun(
        system.board,
        network,
        target,
        fmean(run.latency_s for run in newest),
        fmean(run.energy_j for run in newest),
        fmean(p90s) if p90s else None,
        fmean(accuracies) if accuracies else None,
        _spread([run.latency_s for run in runs]),
        _spread([run.energy_j for run in runs]),
        len(runs),
    )


def _spread(values: Sequence[float]) -> float:
    return stdev(map(math.log, values)) if len(values) > 1 else 0.0


def _round(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", name)))


def _run(
    number: int,
    line: Line,
    systems: Mapping[tuple[str, str], Line],
    joined: bool,
    errors: list[str],
) -> LogRow | None:
    stated = systems.get((line["round"], line["system"]), {})
    system = parse_system(line["system"], stated.get("framework", ""), stated.get("accelerator", ""))
    before = len(errors)
    for column, is_told in (("system", system.board), ("model", line["model"]), ("round", _round(line["round"]))):
        if not is_told:
            allowed = "a version, as v2.1" if column == "round" else "a name"
            errors.append(f"line {number}, column {column}: '{line[column]}'; allowed: {allowed}")

    def figure(column: str, scale: float, most: float = MOST) -> float | None:
        text = line.get(column, "")
        try:
            value = scale * float(text) if text else None
        except ValueError:
            value = math.nan
        if value is not None and not 0.0 < value <= most:
            allowed = f"a number above 0, {most / scale:g} at most"
            errors.append(f"line {number}, column {column}: '{text}'; allowed: {allowed}")
        return value

    mean_s, energy_j = figure("mean_ms", 1e-3), figure("mj_per_sample", 1e-3)
    p90_s, accuracy = figure("p90_ms", 1e-3), figure("top1_accuracy_pct", 1e-2, 1.0)
    for column, value in (("mean_ms", mean_s), ("mj_per_sample", energy_j)):
        if value is None:
            errors.append(f"line {number}, column {column}: it is empty; allowed: a number above 0")
    if len(errors) > before or mean_s is None or energy_j is None:
        return None
    name = line["model"]
    network = _FP32.sub("", _INT8.sub("", name)) if joined else name
    return LogRow(line["round"], system, network, _precision(line), mean_s, p90_s, energy_j, accuracy)


def _precision(line: Line) -> str:
    """As the submission states it, the widest where weights are of several; else as the model's name does."""
    stated = [each.strip() for each in line.get("weight_data_types", "").lower().split(",")]
    widest = next((precision for precision in PRECISIONS if precision in stated), "")
    if not widest and any(each in ("uint8", "i8") for each in stated):
        return "int8"
    return widest or ("int8" if _INT8.search(line["model"]) else "fp32")


def _lines(path: Path, needed: Sequence[str]) -> Iterable[tuple[int, Line]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no text in UTF-8: {error.reason} at byte {error.start}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise InvalidInput(f"{path}, line 1: no column {listing(missing)}; needed: {', '.join(needed)}")
    rows: list[tuple[int, dict[str, Any]]] = [(reader.line_num, dict(line)) for line in reader]
    return rows
