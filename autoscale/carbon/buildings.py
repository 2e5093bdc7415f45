"""Buildings: what they take beside the machines in them, from ``devices/grids/buildings.toml``.

>>> data_centre_pue()
1.1
"""

from functools import cache

from autoscale.carbon.embodied.facts import read_embodied_facts
from autoscale.carbon.intensity.places import Places
from autoscale.profiles.shipped import devices_folder


@cache
def data_centre_pue(region: str = "") -> float:
    """Power usage effectiveness of a large data centre: all its energy over that of its machines.

    Args:
        region: of a cloud, as in ``aws:eu-west-1``: what its provider publishes for it, else the usual.

    >>> data_centre_pue("gcp:europe-west1")
    1.08
    """
    known = Places.shipped().region(region) if region else None
    if known is not None and known.pue is not None:
        return known.pue.range.mid
    return read_embodied_facts(devices_folder() / "grids" / "buildings.toml").sourced("data-centre", "pue").range.mid
