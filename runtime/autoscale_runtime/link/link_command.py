"""``autoscale link``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from autoscale.command import PortOption
from autoscale.errors import InvalidInput
from autoscale.profiles.link_trace_files import read_trace
from autoscale.units import bps_from_mbps, mbps_from_bps, ms_from_s, s_from_ms
from autoscale_runtime.host.stop_signal import StopSignal
from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.shaped_link import ShapedLink

REFRESH_S = 0.25
NEED_A_TRACE = "give --trace FILE, or leave it out"


def link(
    to: Annotated[str, typer.Option(help="The server it leads to, HOST:PORT.", show_default=False)],
    port: PortOption = 0,
    trace: Annotated[
        Path | None, typer.Option(help="CSV time_s,mbps[,rtt_ms,rssi_dbm], or a mahimahi file; instead of --rate-mbps.")
    ] = None,
    trace_name: Annotated[str | None, typer.Option(help="Which one, where the file holds several.")] = None,
    loop: Annotated[
        bool, typer.Option("--loop/--once", help="Start the trace again at its end, or stop there.")
    ] = True,
    rate_mbps: Annotated[
        float | None, typer.Option(min=0.0, help="Rate each way; 0 is an outage; no limit by default.")
    ] = None,
    uplink_mbps: Annotated[
        float | None, typer.Option(min=0.0, help="Rate of what the client sends, where it is another one.")
    ] = None,
    rtt_ms: Annotated[float, typer.Option(min=0.0, help="Round trip that the link adds.")] = 0.0,
    jitter_ms: Annotated[float, typer.Option(min=0.0, help="How much the round trip varies either way.")] = 0.0,
    loss: Annotated[float, typer.Option(min=0.0, max=1.0, help="Fraction of packets lost, each repaired late.")] = 0.0,
) -> None:
    """Put a weak, slow or broken network between a client and a server on this machine; no root needed.

    Prints "link 127.0.0.1:43211 -> 127.0.0.1:8001" once it listens: point the client at the first address. Stops at
    Ctrl-C or SIGTERM, and with --once at the end of the trace.

    Example: autoscale link --to 127.0.0.1:8001 --rate-mbps 20 --rtt-ms 10 --jitter-ms 2 --loss 0.01
    """
    if trace is not None and rate_mbps is not None:
        raise InvalidInput("--trace tells the rate, and --rate-mbps too; allowed: one of them")
    if trace is None and (trace_name is not None or not loop):
        raise InvalidInput(f"{'--once' if not loop else '--trace-name'} is about a trace; {NEED_A_TRACE}")
    conditions = LinkConditions(
        rate_bps=float("inf") if rate_mbps is None else bps_from_mbps(rate_mbps),
        round_trip_s=s_from_ms(rtt_ms),
        jitter_s=s_from_ms(jitter_ms),
        loss=loss,
        uplink_bps=None if uplink_mbps is None else bps_from_mbps(uplink_mbps),
    )
    recorded = None if trace is None else read_trace(trace, trace_name)
    with ShapedLink(to, conditions, port) as shaped:
        if recorded is not None:
            shaped.play(recorded, end="loop" if loop else "stop")
        _stay(shaped)


def _stay(shaped: ShapedLink) -> None:
    """Say where the link is, and keep it until a signal or the end of the trace."""
    stop = StopSignal()
    print(f"link {shaped.address} -> {shaped.target}", flush=True)
    console = Console(stderr=True)
    with console.status(_status(shaped)) as status:
        while not (stop.comes_within(REFRESH_S) or shaped.is_over):
            if console.is_terminal:
                status.update(_status(shaped))


def _status(shaped: ShapedLink) -> str:
    now = shaped.now()
    up_bytes, down_bytes = shaped.carried_bytes
    rate = "outage" if now.is_down else f"{mbps_from_bps(now.rate_bps):.2f} Mbit/s"
    signal_dbm = "" if now.rssi_dbm is None else f", {now.rssi_dbm:.0f} dBm"
    moved = f"up {up_bytes / 1e6:.1f} MB, down {down_bytes / 1e6:.1f} MB"
    return f"{rate}, {ms_from_s(now.round_trip_s):.1f} ms{signal_dbm} | {moved}"
