"""What a fleet costs beside its queries: machines that wait, and embodied carbon that no query carries.

A machine of the inventory idles while it is there and no query holds it. Of its embodied carbon, the share of the
span in its life that its queries do not carry stays unallocated. So queries + idle + unallocated is the fleet, in whole
numbers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from autoscale.fleet.ledger.span import Span
from autoscale.fleet.report.sums import Sums, WholeInterval
from autoscale.interval import Interval
from autoscale.units import MICRO_PER_UNIT, NANO_PER_UNIT

if TYPE_CHECKING:
    from autoscale.fleet.report.inventory import InventoryMachine  # reads profiles, which a ledger alone has no use for

_NOTHING: Final = WholeInterval(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Held:
    """For how long queries held machines, and what of their embodied carbon they carry."""

    busy_us: int
    carried_ng: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the machines of one role cost beside the queries.

    Attributes:
        machines: how many there are.
        idle_energy_uj: microjoules that they drew while they waited.
        idle_ng: nanograms of CO2e of that.
        unallocated_ng: embodied nanograms that no query carries.
        year_longer_ng: embodied nanograms that a year more of their lives would take from the span.
    """

    machines: int
    idle_energy_uj: int
    idle_ng: WholeInterval
    unallocated_ng: WholeInterval
    year_longer_ng: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """The whole fleet.

    Attributes:
        machines: how many the inventory has.
        idle_energy_uj: microjoules that its machines drew while they waited.
        queries_ng: nanograms of CO2e of the queries; ``idle_ng`` of waiting; ``unallocated_ng`` embodied, that no query
            carries.
        total_ng: the three together.
        silent: machines with the role ``device`` that no row of the span names: they never reported, or may be among
            those whose queries are sums alone.
        unknown: devices that reported and are not in the inventory.
        overdrawn_ng: embodied nanograms that queries carry beyond what their machines' lives have for the span.
        by_role: what waits of the devices that ask (``device``) and of those that answer (``remote``).
    """

    machines: int
    idle_energy_uj: int
    queries_ng: WholeInterval
    idle_ng: WholeInterval
    unallocated_ng: WholeInterval
    silent: tuple[str, ...]
    unknown: int
    overdrawn_ng: int
    by_role: Mapping[str, Waiting]

    @property
    def total_ng(self) -> WholeInterval:
        """Queries, idle and unallocated, exactly."""
        return self.queries_ng.plus(self.idle_ng).plus(self.unallocated_ng)


@dataclass(slots=True)
class _Costs:
    idle_energy_uj: int = 0
    idle_ng: WholeInterval = _NOTHING
    unallocated_ng: WholeInterval = _NOTHING
    overdrawn_ng: int = 0
    year_longer_ng: int = 0
    machines: int = 0

    def add_machine(self, machine: "InventoryMachine", lifetime_ng: WholeInterval) -> None:
        """Count it, and what the same making over a year more would be less."""
        self.machines += 1
        self.year_longer_ng += round(lifetime_ng.mid / (machine.life_years + 1.0))

    def waiting(self) -> Waiting:
        return Waiting(self.machines, self.idle_energy_uj, self.idle_ng, self.unallocated_ng, self.year_longer_ng)

    def add_idle(self, machine: "InventoryMachine", idle_us: int) -> None:
        idle_j = machine.idle_power_w * idle_us / MICRO_PER_UNIT
        self.idle_energy_uj += round(idle_j * MICRO_PER_UNIT)
        self.idle_ng = self.idle_ng.plus(_ends(machine.g_per_j * idle_j))

    def add_embodied(self, lifetime_ng: WholeInterval, carried_ng: int) -> None:
        """At each end the same fraction is carried, and the rest unallocated."""
        fractions = (carried_ng * end // max(1, lifetime_ng.mid) for end in lifetime_ng)
        rest = (max(0, end - carried) for end, carried in zip(lifetime_ng, fractions, strict=True))
        self.unallocated_ng = self.unallocated_ng.plus(WholeInterval(*rest))
        self.overdrawn_ng += max(0, carried_ng - lifetime_ng.mid)


def whole_fleet(
    machines: Iterable["InventoryMachine"],
    reported: Iterable[Mapping[str, Any]],
    span: Span,
    queries: Sums,
    remote: Held,
) -> Fleet:
    """The account of a fleet over a closed span.

    Args:
        machines: the inventory.
        reported: for each device that reported its ``device_id``, ``latency_us`` and ``embodied_device_ng``.
        span: from when until when.
        queries: the sums of all queries.
        remote: what queries took of the remote machines together; rows do not say which one.
    """
    listed = sorted(machines, key=lambda machine: machine.device_id)
    held = {row["device_id"]: Held(int(row["latency_us"]), int(row["embodied_device_ng"])) for row in reported}
    asking = [each for each in listed if each.role == "device"]
    here, there = _Costs(), _Costs()
    nameless = _nameless(queries, held.values(), span, asking)
    for machine in asking:
        _add_device(here, machine, span, held.get(machine.device_id, Held(0, 0)), nameless)
    _add_remote(there, [each for each in listed if each.role == "remote"], span, remote)
    silent = tuple(each.device_id for each in asking if each.device_id not in held)
    unknown = len(held.keys() - {each.device_id for each in asking})
    return Fleet(
        len(listed),
        here.idle_energy_uj + there.idle_energy_uj,
        queries.total_ng,
        here.idle_ng.plus(there.idle_ng),
        here.unallocated_ng.plus(there.unallocated_ng),
        silent,
        unknown,
        here.overdrawn_ng + there.overdrawn_ng,
        {"device": here.waiting(), "remote": there.waiting()},
    )


@dataclass(frozen=True, slots=True)
class _Nameless:
    """What queries took of devices that rows do not name any more, spread over how long all of them were there."""

    held: Held
    pool_us: int

    def of(self, there_us: int) -> Held:
        return Held(*(each * there_us // self.pool_us for each in (self.held.busy_us, self.held.carried_ng)))


def _nameless(queries: Sums, named: Iterable[Held], span: Span, asking: list["InventoryMachine"]) -> _Nameless:
    listed = list(named)
    busy_us = queries.latency_us - sum(each.busy_us for each in listed)
    carried_ng = queries.embodied_ng.device - sum(each.carried_ng for each in listed)
    pool_us = sum(span.overlap_us(each.there) for each in asking)
    return _Nameless(Held(max(0, busy_us), max(0, carried_ng)), max(1, pool_us))


def _add_device(costs: _Costs, machine: "InventoryMachine", span: Span, held: Held, nameless: _Nameless) -> None:
    there_us = span.overlap_us(machine.there)
    beside = nameless.of(there_us)
    held = Held(held.busy_us + beside.busy_us, held.carried_ng + beside.carried_ng)
    busy_us = held.busy_us if machine.busy_fraction is None else round(machine.busy_fraction * there_us)
    costs.add_idle(machine, max(0, there_us - busy_us))
    lifetime_ng = _lifetime(machine, there_us)
    costs.add_machine(machine, lifetime_ng)
    costs.add_embodied(lifetime_ng, held.carried_ng)


def _add_remote(costs: _Costs, machines: list["InventoryMachine"], span: Span, held: Held) -> None:
    """Remote machines as one pool: what queries took of them is spread over them by how long each was there."""
    there_us = [span.overlap_us(each.there) for each in machines]
    pool_us = max(1, sum(there_us))
    lifetime_ng = _NOTHING
    for machine, own_us in zip(machines, there_us, strict=True):
        fraction = machine.busy_fraction
        busy_us = held.busy_us * own_us // pool_us if fraction is None else round(fraction * own_us)
        costs.add_idle(machine, max(0, own_us - busy_us))
        own_ng = _lifetime(machine, own_us)
        costs.add_machine(machine, own_ng)
        lifetime_ng = lifetime_ng.plus(own_ng)
    if machines:
        costs.add_embodied(lifetime_ng, held.carried_ng)


def _lifetime(machine: "InventoryMachine", there_us: int) -> WholeInterval:
    return _ends(machine.embodied_g_per_s * (there_us / MICRO_PER_UNIT))


def _ends(mass_g: Interval) -> WholeInterval:
    return WholeInterval(*(round(end * NANO_PER_UNIT) for end in (mass_g.low, mass_g.mid, mass_g.high)))
