"""What a device, link or network file may hold: its tables, their keys, which are needed and which run in step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from autoscale.query.model_profile import LAYER_KINDS
from autoscale.query.target import PRECISIONS

VERSION: Final = 1
KINDS: Final = ("phone", "tablet", "board", "laptop", "server")
RADIOS: Final = ("wifi", "lte", "5g")


@dataclass(frozen=True, slots=True)
class AllowedTable:
    """The keys of one table.

    Attributes:
        needed: figures that must be there.
        optional: figures that may be there.
        texts: plain strings (or lists of strings) that must be there.
        optional_texts: those that may be there.
        along: the figure that every array of the table has the length of; it rises from entry to entry.
        arrays: figures that hold one number for each entry of ``along``.
        is_needed: whether the table itself must be there.
    """

    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    along: str = ""
    arrays: tuple[str, ...] = ()
    optional_texts: tuple[str, ...] = ()
    is_needed: bool = False

    @property
    def figures(self) -> tuple[str, ...]:
        """Every figure it may hold."""
        return (*((self.along,) if self.along else ()), *self.arrays, *self.needed, *self.optional)


Schema = Mapping[str, AllowedTable]
"""Dotted name of a table to what it holds; the empty name is the file's own top."""

_SPEED: Final = ("launch_s", "layer_s", "bandwidth_gb_per_s")
_RATES: Final = AllowedTable(optional=tuple(f"{kind}_mac_per_s" for kind in LAYER_KINDS))
_RADIO: Final = AllowedTable(
    along="rssi_dbm",
    arrays=("tx_w", "rx_w"),
    needed=("tx_w_per_mbps", "rx_w_per_mbps", "idle_w", "tail_w", "tail_s"),
)


def _processor(name: str, table: AllowedTable, *speed: str) -> dict[str, AllowedTable]:
    rates = {f"{name}.speed.{precision}": _RATES for precision in PRECISIONS}
    optional = ("spatial_ratio", "wake_s", "traffic_parallel_fraction") if speed else ("spatial_ratio",)
    return {name: table, f"{name}.speed": AllowedTable(needed=(*_SPEED, *speed), optional=optional), **rates}


DEVICE: Final[Schema] = {
    "": AllowedTable(texts=("name", "title", "kind"), optional_texts=("fingerprint", "incomplete")),
    "power": AllowedTable(needed=("idle_w",), optional=("battery_wh",), is_needed=True),
    **_processor(
        "cpu",
        AllowedTable(
            texts=("name", "precisions"),
            along="frequencies_mhz",
            arrays=("shared_w", "core_w"),
            needed=("cores", "idle_w"),
            optional=("init_s",),
            is_needed=True,
        ),
        "parallel_fraction",
    ),
    **_processor(
        "gpu",
        AllowedTable(("idle_w",), ("init_s",), ("name", "precisions"), "frequencies_mhz", ("busy_w",)),
    ),
    **_processor("npu", AllowedTable(("busy_w", "idle_w"), ("init_s",), ("name", "precisions"))),
    "memory": AllowedTable(needed=("dram_gb", "bandwidth_gb_per_s"), is_needed=True),
    "storage": AllowedTable(needed=("flash_gb",), is_needed=True),
    "radios": AllowedTable(),
    **{f"radios.{name}": _RADIO for name in RADIOS},
    "thermal": AllowedTable(needed=("capacitance_j_per_k", "resistance_k_per_w", "throttle_c")),
    "embodied": AllowedTable(needed=("die_mm2", "node_nm", "total_kg", "lifetime_years"), is_needed=True),
}
"""A device or server."""

LINK: Final[Schema] = {
    "": AllowedTable(texts=("name", "title", "radio_name", "signal")),
    "rate": AllowedTable(
        along="rssi_dbm",
        arrays=("downlink_mbps", "uplink_mbps"),
        needed=("spread_ratio",),
        is_needed=True,
    ),
    "delay": AllowedTable(needed=("round_trip_s", "jitter_s", "promotion_s"), is_needed=True),
    "radio": AllowedTable(_RADIO.needed, _RADIO.optional, (), _RADIO.along, _RADIO.arrays, is_needed=True),
}
"""A link between a device and the machines it may use."""

_LAYERS: Final = AllowedTable(needed=("count_layers",), optional=("work_macs", "moved_values"))

PROFILE: Final[Schema] = {
    "": AllowedTable(),
    "size": AllowedTable(
        needed=("parameters_values", "parameters_bytes", "input_bytes", "output_bytes"),
        optional=("work_macs",),
        is_needed=True,
    ),
    **dict.fromkeys(LAYER_KINDS, _LAYERS),
    "conv": AllowedTable(_LAYERS.needed, optional=(*_LAYERS.optional, "spatial_macs")),
    "accuracy": AllowedTable(optional=tuple(f"{precision}_fraction" for precision in PRECISIONS)),
}
"""A model profile: what a network's own file and a bundle's manifest say in the same words."""

NETWORK: Final[Schema] = {**PROFILE, "": AllowedTable(texts=("name", "title"), optional_texts=("task",))}
"""A network."""
