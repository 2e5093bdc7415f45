"""How long a network takes somewhere, before it has run there: as it was measured on this machine, else by its size."""

from dataclasses import replace
from typing import Final

from autoscale.physics.measured import Run, exact_rows
from autoscale.profiles import DeviceProfile
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target
from autoscale_runtime.host.fingerprint import fingerprint

DEFAULT_MACS_PER_S: Final = 5e9
"""Speed assumed until the first query has run: what one laptop core does in fp32, to the order of magnitude."""


def first_guess_s(macs: int) -> float:
    """How long a network takes somewhere, before anything is known of it there."""
    return max(macs, 1) / DEFAULT_MACS_PER_S


def measured_s(device: DeviceProfile, network: ModelProfile, target: Target, engine: str = "") -> float | None:
    """The middle run of a network on a target, where the device's file has it of this very machine.

    Args:
        device: the power table; rows of one that was measured elsewhere say nothing of this machine's speed.
        network: its rows count, not those of another one of that name.
        target: as a session names it; no thread count is all cores.
        engine: what runs a target that names none; its rows count where the file names it.
    """
    if not device.measured or device.fingerprint != fingerprint():
        return None
    for name in (target.engine, target.engine or engine):
        rows = exact_rows(device, Run(network, replace(target, engine=name)))
        own = next((row for row in rows if row.target.engine == name), None)
        if own is not None:
            return own.latency_s.mid
    return None
