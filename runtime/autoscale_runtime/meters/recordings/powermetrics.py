"""Apple's ``powermetrics`` as text: ``sudo powermetrics --samplers cpu_power,gpu_power,ane_power -i 200 -o file.txt``.

Each sample begins with a line that says how long it was, and tells mean powers over that: on Apple's processors
``Combined Power (CPU + GPU + ANE): 1172 mW``, on Intel's ``Intel energy model derived package power (CPUs+GT+SA):
2.48W``. Its manual page, powermetrics(1), calls them estimated: so is what is played of them.
"""

import logging
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from autoscale.errors import TraceError
from autoscale.query.outcome import Method
from autoscale.skipped_rows import SkippedRows
from autoscale.units import s_from_ms
from autoscale_runtime.meters.recordings.recording import Counted, Recording

SAMPLE: Final = re.compile(
    r"^\*\*\* Sampled system activity \(.*\) \((?P<elapsed_ms>[0-9.]+)ms elapsed\) \*\*\*", re.MULTILINE
)
WHOLE: Final = re.compile(
    r"^(?:Combined Power \(.*\)|Package Power|Intel energy model derived package power \(.*\)):\s*"
    r"(?P<power>[0-9.]+)\s*(?P<unit>m?W)\b",
    re.MULTILINE,
)
PART: Final = re.compile(r"^(?:CPU|GPU|ANE) Power:\s*(?P<power>[0-9.]+)\s*(?P<unit>m?W)\b", re.MULTILINE)

_LOG: Final = logging.getLogger("autoscale.meters")


class Sample(NamedTuple):
    """One of powermetrics' samples; power None where it tells none."""

    line: int
    elapsed_s: float
    power_w: float | None


def read_powermetrics(path: Path, text: str) -> Recording:
    """The processor package's energy, as powermetrics estimated it; its first sample begins at 0 s.

    A sample that tells no power is a gap.

    Raises:
        TraceError: not one sample can be used.
    """
    rows, skipped = [Counted(0.0, 0.0, 0)], SkippedRows(path, _LOG)
    for sample in _samples(text):
        time_s, energy_j, run = rows[-1]
        if sample.power_w is None:
            skipped.add(TraceError(f"{path}, line {sample.line}: a sample without power; allowed: with cpu_power"))
            rows.append(Counted(time_s + sample.elapsed_s, energy_j, run + 1))
        else:
            rows.append(Counted(time_s + sample.elapsed_s, energy_j + sample.power_w * sample.elapsed_s, run))
    if not any(before.run == after.run for before, after in pairwise(rows)):
        raise skipped.first_or(TraceError(f"{path} has no sample of powermetrics"))
    skipped.warn("samples")
    return Recording(rows, f"replay of {path.name}, processor package as powermetrics estimates it", Method.MODELLED)


def _samples(text: str) -> Iterator[Sample]:
    """Where a sample tells several powers of the whole, as with a summary, the last is meant."""
    heads = [*SAMPLE.finditer(text)]
    for head, end in zip(heads, [each.start() for each in heads[1:]] + [len(text)], strict=True):
        body = text[head.end() : end]
        whole, parts = [*WHOLE.finditer(body)], [*PART.finditer(body)]
        powers_w = [_watts(each) for each in (whole[-1:] or parts)]
        elapsed_s = s_from_ms(float(head["elapsed_ms"]))
        yield Sample(text.count("\n", 0, head.start()) + 1, elapsed_s, sum(powers_w) if powers_w else None)


def _watts(found: re.Match[str]) -> float:
    return float(found["power"]) * (1e-3 if found["unit"] == "mW" else 1.0)
