"""Whose a machine's time is: what is held is shared by those who hold it, and the rest is nobody's.

A query on a target holds a share of the machine, as many of its cores as it computes on. While the shares of all that
run are less than the whole, the rest is idle; where they are more, each gets less than its share, so that no second is
given twice. What a processor draws as soon as anybody uses it is shared by all who do.
"""

from typing import NamedTuple


class Held(NamedTuple):
    """What a query holds, and how the integrals stood when it began."""

    share: float
    processor: str
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
        self._users: dict[str, float] = {}
        self._per_user_s: dict[str, float] = {}
        self.idle_s = 0.0
        self.total_s = 0.0
        self.used_s: dict[str, float] = {}

    def begin(self, share: float, processor: str, now_s: float) -> Held:
        """A query begins to hold a share, above 0, of the machine, and to use one of its processors."""
        self.advance(now_s)
        self._shares += share
        self._users[processor] = self._users.get(processor, 0.0) + share
        return Held(share, processor, self._per_share_s, self._per_user_s.setdefault(processor, 0.0))

    def end(self, held: Held, now_s: float) -> Got:
        """It holds it no longer."""
        self.advance(now_s)
        self._shares = max(self._shares - held.share, 0.0)
        self._users[held.processor] -= held.share
        return Got(
            held.share * (self._per_share_s - held.per_share_s),
            held.share * (self._per_user_s[held.processor] - held.per_user_s),
        )

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
        for processor, users in self._users.items():
            if users > _NONE:
                self._per_user_s[processor] += passed_s / users
                self.used_s[processor] = self.used_s.get(processor, 0.0) + passed_s


_NONE = 1e-9
