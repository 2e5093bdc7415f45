"""From when until when: a part of the time that a ledger covers."""

from dataclasses import dataclass
from datetime import UTC, datetime

from autoscale.errors import InvalidInput
from autoscale.units import MICRO_PER_UNIT, SECONDS_PER_DAY, US_PER_DAY


@dataclass(frozen=True, slots=True)
class Span:
    """Microseconds since 1970 UTC; ``since_us`` is in it, ``until_us`` no more. None leaves a side open.

    Raises:
        InvalidInput: it ends before it begins.

    >>> Span.parse("2026-11-01", "2026-11-02").duration_us
    86400000000
    """

    since_us: int | None = None
    until_us: int | None = None

    def __post_init__(self) -> None:
        if self.since_us is not None and self.until_us is not None and self.since_us >= self.until_us:
            since, until = when(self.since_us), when(self.until_us)
            raise InvalidInput(f"the span ends at {until}, and begins at {since}; allowed: an end after the beginning")

    @classmethod
    def parse(cls, since: str = "", until: str = "") -> "Span":
        """From ISO 8601 dates or times, UTC where they do not say; empty leaves a side open.

        Raises:
            InvalidInput: neither a date nor a time, or a span that ends before it begins.
        """
        return cls(microseconds(since) if since else None, microseconds(until) if until else None)

    @property
    def duration_us(self) -> int:
        """How long it is; nothing where a side is open."""
        return self.until_us - self.since_us if self.since_us is not None and self.until_us is not None else 0

    def closed(self, first_us: int, last_us: int) -> "Span":
        """With open sides closed by the first and the last row."""
        since = first_us if self.since_us is None else self.since_us
        return Span(since, last_us + 1 if self.until_us is None else self.until_us)

    def of_day(self, day: str) -> "Span":
        """The part of a day (``2026-11-01``) that is in it; all of one that is not, as strays' days are."""
        begins_us = microseconds(day)
        whole = Span(begins_us, begins_us + US_PER_DAY)
        since = max(begins_us, self.since_us or 0)
        until = min(begins_us + US_PER_DAY, self.until_us or begins_us + US_PER_DAY)
        return Span(since, until) if since < until else whole

    def overlap_us(self, other: "Span") -> int:
        """How long both last together; open sides of the other are this one's. Nothing where this one is open."""
        if self.since_us is None or self.until_us is None:
            return 0
        since = self.since_us if other.since_us is None else max(self.since_us, other.since_us)
        until = self.until_us if other.until_us is None else min(self.until_us, other.until_us)
        return max(0, until - since)


def microseconds(text: str) -> int:
    """An ISO 8601 date or time as microseconds since 1970.

    Raises:
        InvalidInput: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:  # OverflowError: a year below 1 or above 9999, in UTC
        raise InvalidInput(f"'{text}' is no time; allowed: as in 2026-11-01 or 2026-11-01T12:00+01:00") from error
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * SECONDS_PER_DAY + elapsed.seconds) * MICRO_PER_UNIT + elapsed.microseconds


def when_or_open(time_us: int | None) -> str | None:
    """Likewise; None for a side that nothing closes."""
    return None if time_us is None else when(time_us)


def when(time_us: int) -> str:
    """Microseconds since 1970 as ISO 8601, to the second.

    >>> when(1793491200000000)
    '2026-11-01T00:00:00Z'
    """
    return datetime.fromtimestamp(time_us // MICRO_PER_UNIT, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
