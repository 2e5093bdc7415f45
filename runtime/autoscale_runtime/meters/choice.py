"""Which meter a session uses.

Per query, what is wanted is the energy that the device spends on it. RAPL comes first: it measures the
processor, which does the work, every millisecond, by whichever of its two doors is open. A board's INA3221 sees the
whole board, as often as it is looked at; the battery's gauge sees the whole device, but seconds late and only on the
road. All are too coarse for one query, so a power table spreads what they measure. With
none, the power table alone is the model that the paper uses. NVML sees a GPU alone, so it is taken only
where it is named.
"""

from collections.abc import Sequence
from typing import NamedTuple

from autoscale.errors import InvalidInput, one_of
from autoscale_runtime.meters.attributed import AttributedMeter
from autoscale_runtime.meters.base import METERS, PREFERRED, CounterMeter, Meter
from autoscale_runtime.meters.guarded import GuardedMeter
from autoscale_runtime.meters.modelled import ModelledMeter
from autoscale_runtime.meters.null import NullMeter

OWN = (CounterMeter, AttributedMeter, ModelledMeter, NullMeter)


class MeterChoice(NamedTuple):
    """A meter and why it is this one, for people to read."""

    meter: Meter
    reason: str


def best_meter(power_table: str | None, names: Sequence[str] = PREFERRED) -> MeterChoice:
    """The first of these meters that works on this host; a null meter where none does.

    Args:
        power_table: name or file of the device profile that describes this host. Without one, nothing is
            modelled, and a counter tells only windows longer than its resolution.
        names: registered meters, the most wanted first.

    Raises:
        UnknownName: no meter, or no power table, of that name.
        ProfileError: the power table's file does not follow the schema.
    """
    table = None if power_table is None else ModelledMeter.on_this_host(power_table)
    skipped: list[str] = []
    for name in names:
        meter, why = _made(name, power_table, table)
        if meter is not None and why is None:
            if isinstance(meter, CounterMeter):
                meter = meter if table is None else AttributedMeter(meter, table)
            reason = _because(meter, skipped)
            return MeterChoice(meter if isinstance(meter, OWN) else GuardedMeter(meter), reason)
        skipped.append(f"{name}: {why}")
    return MeterChoice(NullMeter(), _because(NullMeter(), skipped))


def _made(name: str, power_table: str | None, table: ModelledMeter | None) -> tuple[Meter | None, str | None]:
    """The meter, and what keeps it from working here."""
    one_of("meter", name, METERS.names())
    try:
        kind = METERS.get(name)
        if kind is ModelledMeter and table is None:
            return None, "no power table is named"
        meter: Meter = kind.on_this_host(power_table)
        return meter, meter.why_unavailable()
    except InvalidInput:
        raise
    except Exception as error:  # a meter may be anybody's, and one that fails to open is no reason to have none
        return None, f"it cannot be opened: {error!r}"


def _because(meter: Meter, skipped: list[str]) -> str:
    what = {
        AttributedMeter: "energy is measured, and spread over queries by a power table",
        ModelledMeter: "energy is modelled by a power table",
        NullMeter: "energy is not known",
    }.get(type(meter), f"energy is reported by the meter '{meter.name}'")
    return f"{what} ({'; '.join(skipped)})" if skipped else what
