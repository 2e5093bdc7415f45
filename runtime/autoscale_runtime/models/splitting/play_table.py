"""What a network would cost whole and cut, as a table that the simulator plays like those that others measured."""

import csv
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput
from autoscale.splitting import SplitAdvice

COLUMNS: Final = ("device", "network", "target", "latency_s", "energy_j", "latency_p90_s")


def write_table(path: Path, device: str, network: str, advice: SplitAdvice) -> None:
    """Write a table, or append to one; nine queries in ten take no longer than a forecast's high end.

    Raises:
        InvalidInput: the file is there and has other columns, or cannot be written.
    """
    whole = {each.target: each for each in advice.targets}
    cut = {each.whole.target: each.whole for each in advice.cuts}
    lines = [
        (device, network, str(target), each.latency_s.mid, each.energy_j.mid, each.latency_s.high)
        for target, each in (whole | cut).items()
    ]
    try:
        is_new = not path.is_file() or not path.stat().st_size
        if not is_new and path.read_text(encoding="utf-8").splitlines()[0] != ",".join(COLUMNS):
            raise InvalidInput(f"'{path}' is there with other columns; allowed: a new file, or one that a split wrote")
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines] if is_new else lines)
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be written: {error.strerror or error}") from error
