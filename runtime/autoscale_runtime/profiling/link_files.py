"""The links of a calibration: each measured, and written as a link's file beside the profile."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from autoscale.errors import AutoScaleError, InvalidInput, InvalidTarget
from autoscale.files import write_file
from autoscale.interval import Interval
from autoscale.profiles import LinkProfile, load_link
from autoscale.profiles.figure import Figure
from autoscale.profiles.link import USUAL_DBM
from autoscale.profiles.link_text import link_text
from autoscale.profiles.remotes import USUAL_LINKS, parse_remotes, parsed_name
from autoscale.query.outcome import Method
from autoscale.units import mbps_from_bps
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.profiling.link_times import LinkTimes, measure_link
from autoscale_runtime.profiling.profile_file import check_place
from autoscale_runtime.wire.access import reached

UNSEEN: Final = (0.5, 2.0)
"""How far the rate from here may be from that to here, where only the former is known."""

UNREAD_DB: Final = 20.0
"""How far the signal of the day, which nobody reads, may be from a regular one."""


@dataclass(frozen=True, slots=True)
class MeasuredLink:
    """One link: its file, and what is in it."""

    path: Path
    times: LinkTimes


def parse_addresses(text: str) -> dict[str, str]:
    """Links and the servers they lead to, as people write them: ``cloud=host:port,edge:tablet=host:port``.

    Raises:
        InvalidInput: a part without an address, one that is none, or a link twice.
        InvalidTarget: a name that is no link's.
    """
    found = {name: str(address) for name, address in (parse_remotes(text) or {}).items()}
    for name, address in found.items():
        if parsed_name(name)[1] is not None:
            raise InvalidTarget(f"'{name}' is a target; allowed: the link alone, as in cloud=host:port")
        reached(address, None)
    return found


def link_path(out: Path, link: str) -> Path:
    """Where a link's file stands: beside the profile, with the link's name behind that of the profile."""
    return out.with_name(f"{out.stem}-{link.replace(':', '-')}.toml")


def check_links(out: Path, links: Mapping[str, str], may_resume: bool, may_replace: bool) -> None:
    """Refuse files that would be lost, before anything is measured.

    Raises:
        InvalidInput: one is there already, or two links would have the same.
    """
    paths = [link_path(out, each) for each in links]
    for path in paths:
        check_place(path, may_resume, may_replace)
    if len({*paths}) < len(paths):
        raise InvalidInput(f"two of the links {', '.join(links)} would have the same file; allowed: names that differ")


def measure_links(
    out: Path, links: Mapping[str, str], queries: Mapping[str, Feeds]
) -> tuple[dict[str, MeasuredLink], dict[str, str]]:
    """Measure links and write their files; those that could not be are told, each with the reason.

    Raises:
        InvalidInput: the disk takes no file.
    """
    found: dict[str, MeasuredLink] = {}
    left_out: dict[str, str] = {}
    for name, address in links.items():
        try:
            times = measure_link(address, queries)
        except AutoScaleError as error:
            left_out[f"link {name}"] = str(error)
            continue
        path = link_path(out, name)
        _write(path, _link(path.stem, name, address, times))
        found[name] = MeasuredLink(path, times)
        if times.downlink_bps is None:
            left_out[f"link {name}, rate to here"] = times.why_no_downlink
    return found, left_out


def _link(stem: str, name: str, address: str, times: LinkTimes) -> LinkProfile:
    """The usual link of that place, with what was measured in it: at one signal, that of the day."""
    base = load_link(USUAL_LINKS[name.partition(":")[0]])
    source = f"autoscale calibrate, {datetime.now(UTC).date().isoformat()}, to {address}"
    up, down = times.uplink_bps, times.downlink_bps
    assumed = Interval(up.low * UNSEEN[0], up.mid, up.high * UNSEEN[1])
    usual_dbm = USUAL_DBM[base.signal]
    ends = (usual_dbm - UNREAD_DB,), (usual_dbm + UNREAD_DB,)
    own = [
        Figure("rate.rssi_dbm", (usual_dbm,), "dBm", f"{source}; the signal was not read", Method.DEFAULT, *ends),
        _rate("uplink", up, source),
        _rate("downlink", down, source)
        if down is not None
        else _rate("downlink", assumed, f"{source}: not measured, taken to be as the rate from here", Method.DEFAULT),
        Figure("rate.spread_ratio", times.spread_ratio, "ratio", source),
        _figure("delay.round_trip_s", times.round_trip_s, source),
        Figure("delay.jitter_s", times.jitter_s, "s", source),
    ]
    figures = {**base.figures, **{each.key: each for each in own}}
    return replace(base, name=stem, title=f"'{name}', as measured here", figures=figures)


def _figure(key: str, figure: Interval, source: str) -> Figure:
    return Figure(key, figure.mid, "s", source, low=figure.low, high=figure.high)


def _rate(way: str, rate_bps: Interval, source: str, method: Method = Method.MEASURED) -> Figure:
    low, mid, high = ((float(mbps_from_bps(each)),) for each in (rate_bps.low, rate_bps.mid, rate_bps.high))
    return Figure(f"rate.{way}_mbps", mid, "Mbit/s", source, method, low, high)


def _write(path: Path, link: LinkProfile) -> None:
    try:
        write_file(path, link_text(link))
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be written: {error.strerror}") from error
