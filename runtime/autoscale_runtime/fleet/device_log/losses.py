"""What a device tells of the rows it dropped, each once, whether its next upload is of rows or of sums.

With rows a log's losses are told all anew each time, and the greatest figure counts; with sums they are told once and
added up. So a device that changes from one to the other must know what it said which way.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Losses:
    """Cause to rows, of one log.

    Attributes:
        log_id: of the log.
        known: what the log itself dropped, as far as was looked at.
        beside: what else is to be told with it: rows that can be in no sum, what another log before had left untold.
        by_rows: told with rows, in all.
        by_sums: told with sums, in all.

    >>> begun = Losses().of("log", {"space": 5}).told_by_sums()
    >>> begun.of("log", {"space": 8}).due_with_rows, begun.of("log", {"space": 8}).untold
    ({'space': 3}, {'space': 3})
    """

    log_id: str = ""
    known: Mapping[str, int] = field(default_factory=dict)
    beside: Mapping[str, int] = field(default_factory=dict)
    by_rows: Mapping[str, int] = field(default_factory=dict)
    by_sums: Mapping[str, int] = field(default_factory=dict)

    def of(self, log_id: str, lost: Mapping[str, int], beside: Mapping[str, int] | None = None) -> "Losses":
        """With what a log dropped by now, and what more is to be told."""
        more = Counter(dict(beside or {}))
        if log_id != self.log_id:
            return Losses(log_id, dict(lost), dict(Counter(self.untold) + more))
        known = dict(Counter(dict(self.known)) | Counter(dict(lost)))
        return replace(self, known=known, beside=dict(Counter(dict(self.beside)) + more))

    @property
    def untold(self) -> dict[str, int]:
        """What no upload told."""
        return dict(self._all() - Counter(dict(self.by_rows)) - Counter(dict(self.by_sums)))

    @property
    def due_with_rows(self) -> dict[str, int]:
        """What an upload of rows says: all of the log but what sums told."""
        return dict(self._all() - Counter(dict(self.by_sums)))

    def told_by_rows(self) -> "Losses":
        """After such an upload."""
        return replace(self, by_rows=dict(Counter(dict(self.by_rows)) | Counter(self.due_with_rows)))

    def told_by_sums(self) -> "Losses":
        """After an upload of sums that said what was untold."""
        return replace(self, by_sums=dict(Counter(dict(self.by_sums)) + Counter(self.untold)))

    def _all(self) -> Counter[str]:
        return Counter(dict(self.known)) + Counter(dict(self.beside))
