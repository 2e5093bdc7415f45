"""Android's power rails in a trace of Perfetto's, as Pixel phones record them (data source ``android.power``).

The on-device power monitor counts each rail's microwatt-seconds since the phone started; the trace holds what it said
every ``battery_poll_ms``, each rail with a time of its own (``protos/perfetto/trace/power/power_rails.proto``).
"""

import logging
import zlib
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from autoscale.errors import TraceError, one_of
from autoscale.skipped_rows import SkippedRows
from autoscale.units import s_from_ms
from autoscale_runtime._proto import power_trace_pb2 as pb
from autoscale_runtime.meters.recordings.recording import Counted, Recording

_LOG: Final = logging.getLogger("autoscale.meters")


def read_perfetto(path: Path, content: bytes, wanted: Collection[str] = ()) -> Recording:
    """The sum of the rails, from 0 at their first moment. A rail that falls was reset: a gap.

    Args:
        path: of the trace, for messages.
        content: the trace.
        wanted: names or subsystems of the rails that count; none for all.

    Raises:
        TraceError: no trace, or one without two moments of rails.
        UnknownName: no such rail.
    """
    try:
        packets = [*_power_rails(content)]
    except (DecodeError, zlib.error) as error:
        raise TraceError(f"{path} is neither text nor a trace of Perfetto's: {error}") from error
    names = _names(packets, wanted)
    rows, skipped = _rows(path, packets, names)
    if not any(before.run == after.run for before, after in pairwise(rows)):
        raise skipped.first_or(
            TraceError(f"{path} has {len(rows)} moments of power rails; allowed: at least two. Record android.power")
        )
    skipped.warn("moments")
    told = ", ".join(sorted(names.values()))
    return Recording(rows, f"replay of {path.name}, power rails {told}", sees_radio=not wanted)


def _power_rails(content: bytes) -> Iterator[pb.PowerRails]:
    """Of a trace's packets, those of a compressed one too."""
    for packet in pb.Trace.FromString(content).packet:
        if packet.HasField("compressed_packets"):
            yield from _power_rails(zlib.decompress(packet.compressed_packets))
        elif packet.HasField("power_rails"):
            yield packet.power_rails


def _names(packets: Collection[pb.PowerRails], wanted: Collection[str]) -> Mapping[int, str]:
    """Index to name of the rails that count."""
    found = {rail.index: rail for packet in packets for rail in packet.rail_descriptor}
    for each in wanted:
        one_of("power rail", each, {name for rail in found.values() for name in (rail.rail_name, rail.subsys_name)})
    return {
        index: rail.rail_name or f"rail {index}"
        for index, rail in found.items()
        if not wanted or rail.rail_name in wanted or rail.subsys_name in wanted
    }


def _rows(
    path: Path, packets: Collection[pb.PowerRails], names: Mapping[int, str]
) -> tuple[list[Counted], SkippedRows]:
    """A row for each packet from that on that tells the last of the rails; a packet's moment is its last rail's."""
    rows: list[Counted] = []
    skipped = SkippedRows(path, _LOG)
    last_uj: dict[int, int] = {}
    first_ms = total_uj = 0
    for number, packet in enumerate(packets, start=1):
        told = {each.index: each for each in packet.energy_data if each.index in names}
        if not told:
            continue
        was_whole = len(last_uj) == len(names)
        steps_uj = [each.energy - last_uj[index] for index, each in told.items() if index in last_uj]
        last_uj.update({index: each.energy for index, each in told.items()})
        if len(last_uj) < len(names):
            continue
        moment_ms = max(each.timestamp_ms for each in told.values())
        if not rows or not was_whole:
            first_ms = moment_ms
            rows = [Counted(0.0, 0.0, 0)]
            continue
        time_s = s_from_ms(moment_ms - first_ms)
        if time_s <= rows[-1].time_s:
            continue  # rails of another moment of the same millisecond, or told twice: their joules come with the next
        falls = min(steps_uj, default=0) < 0
        if falls:
            skipped.add(TraceError(f"{path}, moment {number} of the power rails: a counter fell, so it was reset"))
        total_uj += sum(each for each in steps_uj if each > 0)
        rows.append(Counted(time_s, total_uj / 1e6, rows[-1].run + falls))
    return rows, skipped
