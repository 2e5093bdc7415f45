"""What a second of a machine and a byte on the networks emit, whatever the query."""

from collections.abc import Sequence

from autoscale.carbon import device_footprint, load_network_share
from autoscale.carbon.intensity.base import Kind
from autoscale.carbon.network_share import MEDIUM_OF_RADIO
from autoscale.profiles import DeviceProfile, LinkProfile


def machine_g_per_s(machine: DeviceProfile) -> float:
    """Embodied grams of CO2e that a second of a machine's life carries."""
    return device_footprint(machine).g_per_s().mid


def network_rates(links: Sequence[LinkProfile]) -> dict[Kind, tuple[list[float], list[float]]]:
    """Joules and embodied grams of a byte on the network behind each link, or of all where all are the same.

    ``average`` is for accounts, ``marginal`` for decisions.
    """
    media = [MEDIUM_OF_RADIO[link.radio_name] for link in links] or [MEDIUM_OF_RADIO["wifi"]]
    media = media if len(set(media)) > 1 else media[:1]
    kinds: tuple[Kind, Kind] = ("average", "marginal")
    shares = {kind: [load_network_share(medium, kind) for medium in media] for kind in kinds}
    return {
        kind: ([each.energy_j_per_byte.mid for each in known], [each.embodied_g_per_byte.mid for each in known])
        for kind, known in shares.items()
    }
