"""What a query emitted, by who and how: operational and embodied, of the device, the network and the remote machine.

Everything that changes by the hour and not by the query is worked out beforehand, into grams per joule, second and
byte; a query then costs a few multiplications.

>>> from autoscale.carbon.embodied.footprint import product_footprint
>>> from autoscale.carbon.network_share import load_network_share
>>> from autoscale.carbon.intensity.yearly import YearlyAverages
>>> grid = YearlyAverages()
>>> phone = Machine(grid.at("FR", 0.0), product_footprint("phone").g_per_s())
>>> server = Machine(grid.at("IE", 0.0), product_footprint("server").g_per_s(utilisation=0.5, share=0.1), pue=1.1)
>>> account = CarbonAccount(phone, load_network_share("fixed"), grid.at("FR", 0.0), server)
>>> spent = account.grams(device_j=0.08, device_s=0.05, moved_bytes=150e3, remote_j=0.5, remote_s=0.01)
>>> round(spent.operational_g.total * 1e3, 3), round(spent.embodied_g.total * 1e3, 3)
(0.186, 0.29)
"""

from dataclasses import dataclass
from typing import Final

from autoscale.carbon.intensity.base import Intensity
from autoscale.carbon.network_share import NO_NETWORK, NetworkShare
from autoscale.errors import InvalidInput
from autoscale.interval import ZERO_INTERVAL, Interval
from autoscale.physics.carbon import CarbonRates, QueryCarbon, g_per_j
from autoscale.query.outcome import CarbonEnds, Method

FIGURES: Final = ("carbon_operational_g", "carbon_embodied_g")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that queries run on.

    Attributes:
        intensity: of its electricity, where and when it was drawn (of a phone: what is in its battery).
        embodied_g_per_s: embodied gCO2e for each second it is held, from ``Footprint.g_per_s``.
        pue: power usage effectiveness of its building; 1 where there is none.

    Raises:
        InvalidInput: a PUE below 1.
    """

    intensity: Intensity
    embodied_g_per_s: Interval = ZERO_INTERVAL
    pue: float = 1.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.pue < float("inf"):
            raise InvalidInput(f"pue is {self.pue}; allowed: 1 or more")


class CarbonAccount:
    """Turns joules, seconds and bytes of a query into grams.

    Args:
        device: the machine that asks.
        network: what a byte takes; nothing where no query leaves the device.
        network_intensity: of the network's electricity; the device's where None is given.
        remote: the machine that answers; None where the account is the device's alone.

    Raises:
        InvalidInput: average and marginal intensities mixed; a ``default`` that stands in may be of the other kind.

    Attributes:
        kinds: ``device``, ``network``, ``remote`` to ``average`` or ``marginal``.
        low: rates at the low end; ``mid`` and ``high`` likewise.
        methods: figure (``carbon_operational_g.device``, ...) to how its rate is known. Joules that are modelled make
            an operational figure modelled too, however well its rate is known.
    """

    def __init__(
        self,
        device: Machine,
        network: NetworkShare = NO_NETWORK,
        network_intensity: Intensity | None = None,
        remote: Machine | None = None,
    ) -> None:
        carrying = network_intensity or device.intensity
        machines = {"device": device.intensity, "network": carrying} | ({"remote": remote.intensity} if remote else {})
        self.kinds = {name: each.kind for name, each in machines.items()}
        if len({each.kind for each in machines.values() if each.method is not Method.DEFAULT}) > 1:
            raise InvalidInput(f"intensities are {self.kinds}; allowed: average or marginal throughout an account")
        ends = (_rates(end, device, network, carrying, remote) for end in ("low", "mid", "high"))
        self.low, self.mid, self.high = ends
        self.methods = _methods(device, network, remote)

    def grams(
        self,
        device_j: float,
        device_s: float,
        moved_bytes: float = 0.0,
        remote_j: float = 0.0,
        remote_s: float = 0.0,
    ) -> QueryCarbon:
        """The best estimate of a query's carbon.

        Args:
            device_j: joules of the device, its radio with it.
            device_s: how long it was held.
            moved_bytes: to and fro together, over the network.
            remote_j: joules of the remote machine, without its building's.
            remote_s: how long it was held.
        """
        return self.mid.grams(device_j, device_s, moved_bytes, remote_j, remote_s)

    def totals_g(self, device_j: float, device_s: float) -> tuple[float, float]:
        """Operational and embodied grams of a query that the device answers itself; arguments as for :meth:`grams`."""
        return self.mid.totals_g(device_j, device_s, 0.0, 0.0, 0.0)

    def ends(
        self,
        device_j: float,
        device_s: float,
        moved_bytes: float = 0.0,
        remote_j: float = 0.0,
        remote_s: float = 0.0,
    ) -> CarbonEnds:
        """The least and the most that the query may have emitted; arguments as for :meth:`grams`."""
        low_g, low_embodied_g = self.low.totals_g(device_j, device_s, moved_bytes, remote_j, remote_s)
        high_g, high_embodied_g = self.high.totals_g(device_j, device_s, moved_bytes, remote_j, remote_s)
        return CarbonEnds(low_g, high_g, low_embodied_g, high_embodied_g)


def _rates(
    end: str, device: Machine, network: NetworkShare, carrying: Intensity, remote: Machine | None
) -> CarbonRates:
    def of(span: Interval) -> float:
        return float(getattr(span, end))

    return CarbonRates(
        _g_per_j(end, device),
        of(device.embodied_g_per_s),
        of(network.energy_j_per_byte),
        of(carrying.g_per_j),
        of(network.embodied_g_per_byte),
        _g_per_j(end, remote) if remote else 0.0,
        of(remote.embodied_g_per_s) if remote else 0.0,
    )


def _g_per_j(end: str, machine: Machine) -> float:
    return float(g_per_j(getattr(machine.intensity.range_g_per_kwh, end), machine.pue))


def _methods(device: Machine, network: NetworkShare, remote: Machine | None) -> dict[str, Method]:
    """The network's are always averages; a footprint spread over a life that is only expected is modelled."""
    operational, embodied = FIGURES
    methods = {f"{operational}.device": _rate_method(device.intensity), f"{embodied}.device": Method.MODELLED}
    if network is not NO_NETWORK:
        methods |= dict.fromkeys(("energy_j.network", f"{operational}.network", f"{embodied}.network"), Method.DEFAULT)
    if remote:
        methods |= {f"{operational}.remote": _rate_method(remote.intensity), f"{embodied}.remote": Method.MODELLED}
    return methods


def _rate_method(intensity: Intensity) -> Method:
    return Method.MODELLED if intensity.method is Method.MEASURED else intensity.method
