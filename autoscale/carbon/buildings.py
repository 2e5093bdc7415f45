"""Buildings: what they take beside the machines in them, from ``devices/grids/buildings.toml``.

>>> data_centre_pue()
1.1
"""

from functools import cache

from autoscale.carbon.embodied.facts import read_embodied_facts
from autoscale.profiles.folder import devices_folder


@cache
def data_centre_pue() -> float:
    """Power usage effectiveness of a large data centre: all its energy over that of its machines."""
    return read_embodied_facts(devices_folder() / "grids" / "buildings.toml").sourced("data-centre", "pue").range.mid
