"""What a remote machine that says nothing of itself is taken to cost: what is not known is not free.

A server of the Open Inference Protocol need not tell joules or grams. In their place stands a usual machine of its kind
on a few threads, for the time that the server says it computed, else for as long as the query took: a default.
"""

from dataclasses import replace
from typing import Final

from autoscale.carbon import CarbonAccount, Intensity, Machine, YearlyAverages, data_centre_pue, device_footprint
from autoscale.carbon.intensity.places import WORLD
from autoscale.physics.power import computing_j, held_share
from autoscale.profiles import load_device
from autoscale.query.target import Target
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.wire.cost import RemoteCost

MACHINES: Final = {"cloud": "xeon-p100", "edge": "tab-s6"}
"""Place to the device profile that stands in; only the cloud has a building of its own."""

_THREADS: Final = Target("device", "cpu", "fp32", threads=4)
"""As many as a server of ours takes at most."""


class UnreportedServerCost:
    """Fills in what a server's answer leaves out.

    Args:
        place: where it is, ``cloud`` or ``edge``.
        grid: knows the electricity there, where it is reported; else the world's average stands in.
    """

    def __init__(self, place: str, grid: GridWatch) -> None:
        self._pue = data_centre_pue() if place == "cloud" else 1.0
        self._machine = load_device(MACHINES[place])
        self._embodied = device_footprint(self._machine).g_per_s(share=held_share(self._machine, _THREADS))
        self._place = place
        self._grid = grid

    def completed(self, reported: RemoteCost, latency_s: float) -> RemoteCost:
        """The cost with every figure; what the server reported stands.

        Args:
            reported: by the server.
            latency_s: how long the query took.
        """
        if None not in (reported.energy_j, reported.carbon_operational_g, reported.carbon_embodied_g):
            return reported
        held_s = latency_s if reported.compute_s is None else reported.compute_s
        energy_j = computing_j(self._machine, _THREADS, held_s) if reported.energy_j is None else reported.energy_j
        account = CarbonAccount(Machine(self._intensity(), self._embodied, self._pue))
        grams, ends = account.grams(energy_j, held_s), account.ends(energy_j, held_s)
        operational_g, embodied_g = grams.operational_g.device, grams.embodied_g.device
        pue: float | None = self._pue
        if reported.carbon_operational_g is not None:
            pue = reported.pue
            operational_g = reported.carbon_operational_g
            ends = replace(ends, operational_low_g=operational_g, operational_high_g=operational_g)
        if reported.carbon_embodied_g is not None:
            embodied_g = reported.carbon_embodied_g
            ends = replace(ends, embodied_low_g=embodied_g, embodied_high_g=embodied_g)
        return replace(
            reported,
            energy_j=energy_j,
            carbon_operational_g=operational_g,
            carbon_embodied_g=embodied_g,
            ends=ends,
            pue=pue,
        )

    def _intensity(self) -> Intensity:
        known = self._grid.now.intensities.get(self._place)
        return known or YearlyAverages().at(WORLD, 0.0)
