"""Where and when a battery was charged: the carbon intensity of the energy that is in it.

>>> from autoscale.query.outcome import Method, worst
>>> night = Intensity(100.0, 100.0, 100.0, "average", "grid", 0.0, Method.MEASURED)
>>> noon = Intensity(400.0, 400.0, 400.0, "average", "grid", 0.0, Method.MEASURED)
>>> mix = ChargeMix.filled(30e3, night, efficiency=1.0).charged(10e3, noon, efficiency=1.0)
>>> round(mix.intensity(time_s=0.0).g_per_kwh, 6)
175.0
>>> round(mix.drawn(20e3).intensity(time_s=0.0).g_per_kwh, 6)
175.0
"""

from dataclasses import dataclass
from typing import Final

from autoscale.carbon.intensity.base import Intensity, Kind
from autoscale.errors import InvalidInput
from autoscale.interval import ZERO_INTERVAL, Interval
from autoscale.query.outcome import Method, worst
from autoscale.units import J_PER_KWH

EFFICIENCY: Final = 0.85
"""From the socket to the battery: what US DOE Level VI (10 CFR 430.32(w)) asks at least of an 18 W charger; what the
battery itself loses is not known and left out."""


@dataclass(frozen=True, slots=True)
class ChargeMix:
    """The energy in a battery and the carbon it carries; every charge and draw gives a new one.

    What is drawn has the mix of what is in it, as of water from a stirred tank. On mains power the socket's intensity
    counts, not the battery's.

    Attributes:
        energy_j: in the battery now.
        carbon_g: gCO2e of generating it, losses of the charger with it.
        kind: of the intensities it was charged at; average and marginal are not mixed, but for a ``default`` that
            stands in.
        method: the worst of those it was charged at.
    """

    energy_j: float
    carbon_g: Interval
    kind: Kind
    method: Method

    @classmethod
    def filled(cls, energy_j: float, at: Intensity, efficiency: float = EFFICIENCY) -> "ChargeMix":
        """A battery that holds energy of one intensity: a guess where nobody saw how it came there.

        Raises:
            InvalidInput: as :meth:`charged`.
        """
        return cls(0.0, ZERO_INTERVAL, at.kind, at.method).charged(energy_j, at, efficiency)

    def charged(self, energy_j: float, at: Intensity, efficiency: float = EFFICIENCY) -> "ChargeMix":
        """After energy came in.

        Args:
            energy_j: what the battery gained.
            at: the intensity at the socket.
            efficiency: what the battery gained of what left the socket.

        Raises:
            InvalidInput: negative energy, an efficiency not in (0, 1], average and marginal mixed.
        """
        if not 0.0 <= energy_j < float("inf") or not 0.0 < efficiency <= 1.0:
            raise InvalidInput(f"charge of {energy_j} J at efficiency {efficiency}; allowed: 0 or more, and 0 to 1")
        if at.kind != self.kind and Method.DEFAULT not in (at.method, self.method):
            raise InvalidInput(f"intensity is {at.kind}, the battery's {self.kind}; allowed: one of them throughout")
        method = worst(self.method, at.method)
        carbon_g = self.carbon_g + at.g_per_j * (energy_j / efficiency)
        return ChargeMix(self.energy_j + energy_j, carbon_g, self.kind, method)

    def drawn(self, energy_j: float) -> "ChargeMix":
        """After energy went out; more than there is empties it, the gauge being only a gauge.

        Raises:
            InvalidInput: negative energy.
        """
        if not energy_j >= 0.0:
            raise InvalidInput(f"draw of {energy_j} J; allowed: 0 or more")
        left_j = max(self.energy_j - energy_j, 0.0)
        part = left_j / self.energy_j if self.energy_j else 0.0
        return ChargeMix(left_j, self.carbon_g * part, self.kind, self.method)

    def intensity(self, time_s: float) -> Intensity:
        """The intensity of what would be drawn now.

        Raises:
            InvalidInput: the battery is empty.
        """
        if not self.energy_j > 0.0:
            raise InvalidInput("the battery is empty; allowed: some charge, or the intensity of the socket")
        g_per_kwh = self.carbon_g * (J_PER_KWH / self.energy_j)
        return Intensity.of(g_per_kwh, self.kind, "mix of the battery's charges", time_s, self.method)
