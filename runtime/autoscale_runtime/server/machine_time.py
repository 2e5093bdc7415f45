"""Whose a machine's time is: what is held is shared by those who hold it, and the rest is nobody's.

A query on a target holds a share of the machine, as many of its cores as it computes on. While the shares of all that
run are less than the whole, the rest is idle; where they are more, each gets less than its share, so that no second is
given twice. What a processor draws as soon as anybody uses it is shared by all who do.
"""

from typing import NamedTuple


class InUse:
    """One of the machine's processors.

    Attributes:
        share: of the machine that its users hold.
        per_share_s: seconds for each share of it, while anybody used it.
        used_s: seconds that anybody used it.
    """

    __slots__ = ("per_share_s", "share", "used_s")

    def __init__(self) -> None:
        self.share = self.per_share_s = self.used_s = 0.0


class Held(NamedTuple):
    """What a query holds, and how the integrals stood when it began."""

    share: float
    processor: InUse
    per_share_s: float
    per_user_s: float


class Got(NamedTuple):
    """What a query had.

    Attributes:
        machine_s: seconds of the whole machine.
        shared_s: seconds of what its processor draws for all who use it.
    """

    machine_s: float
    shared_s: float


class MachineTime:
    """Integrals over time, advanced at each beginning and end. For one thread.

    Args:
        now_s: when it begins, on a monotonic clock.
        whole: the share of the machine that can be held at all: this host may have fewer cores than its profile.
    """

    def __init__(self, now_s: float, whole: float = 1.0) -> None:
        self._now_s, self._whole = now_s, whole
        self._shares = 0.0
        self._per_share_s = 0.0
        self._processors: dict[str, InUse] = {}
        self.idle_s = 0.0
        self.total_s = 0.0

    @property
    def used_s(self) -> dict[str, float]:
        """Processor to the seconds that anybody used it."""
        return {name: each.used_s for name, each in self._processors.items() if each.used_s}

    def processor(self, name: str) -> InUse:
        """One of the machine's, by its name."""
        return self._processors.setdefault(name, InUse())

    def begin(self, share: float, processor: InUse, now_s: float) -> Held:
        """A query begins to hold a share, above 0, of the machine, and to use one of its processors."""
        self.advance(now_s)
        self._shares += share
        processor.share += share
        return Held(share, processor, self._per_share_s, processor.per_share_s)

    def end(self, held: Held, now_s: float) -> Got:
        """It holds it no longer."""
        self.advance(now_s)
        share, processor, per_share_s, per_user_s = held
        left = self._shares - share
        self._shares = left if left > 0.0 else 0.0
        processor.share -= share
        return Got(share * (self._per_share_s - per_share_s), share * (processor.per_share_s - per_user_s))

    def advance(self, now_s: float) -> None:
        """Let time pass."""
        passed_s = now_s - self._now_s
        if passed_s <= 0.0:
            return
        self._now_s = now_s
        self.total_s += passed_s
        if self._shares <= self._whole:
            self.idle_s += passed_s * (1.0 - self._shares)
            self._per_share_s += passed_s
        else:
            self.idle_s += passed_s * (1.0 - self._whole)
            self._per_share_s += passed_s * self._whole / self._shares
        for each in self._processors.values():
            if each.share > _NONE:
                each.per_share_s += passed_s / each.share
                each.used_s += passed_s


_NONE = 1e-9
