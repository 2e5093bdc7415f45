"""Spans on their way to the collector: one that takes none is told once, and holds no stop up."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from autoscale.fleet.export.otlp import unheard

_LOG: Final = logging.getLogger("autoscale.server")

_LAST_S: Final = 1.0
_LAST_OF_DEAD_S: Final = 0.2
"""After which spans are given up as the server stops; the second where the collector did not take the last ones."""


class SpanSender:
    """Before OpenTelemetry's exporter, whose own log is not heard. One thread sends, another one stops it.

    Attributes:
        made: spans that were begun.

    Args:
        exporter: OpenTelemetry's.
        endpoint: where it sends, for the log.
    """

    def __init__(self, exporter: Any, endpoint: str) -> None:
        self._exporter, self._endpoint = exporter, endpoint
        self.made = self._taken = 0
        self._is_well = True
        self._is_closing = self._is_shut = False
        self._said: list[str] = []

    def export(self, spans: Sequence[Any]) -> Any:
        """Send some; gives what OpenTelemetry's exporter does of their fate."""
        if self._is_shut:
            return None
        was_well, self._is_well = self._is_well, False  # until it has answered
        with unheard() as self._said:
            try:
                result = self._exporter.export(spans)
            except ValueError:  # gRPC's, once the channel was closed
                return None
        if result.name == "SUCCESS":
            self._is_well = True
            self._taken += len(spans)
        elif was_well and not self._is_closing:
            _LOG.warning("the trace collector at %s takes no spans, they are lost: %s", self._endpoint, self._why())
        return result

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing lies here."""
        return True

    def shutdown(self) -> None:
        """Send no more; what is on its way is called off."""
        if not self._is_shut:
            self._is_shut = True
            self._said = [*self._said]  # without what follows from this
            self._exporter.shutdown()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Around what sends the last ones and waits for that: it has an end, and what was lost is told."""
        self._is_closing = True
        giving_up = threading.Timer(_LAST_S if self._is_well else _LAST_OF_DEAD_S, self.shutdown)
        giving_up.daemon = True
        giving_up.start()
        yield
        giving_up.cancel()
        lost = self.made - self._taken
        if lost:
            told = f"{lost} of {self.made} spans were lost"
            _LOG.warning("%s; the trace collector at %s: %s", told, self._endpoint, self._why())

    def _why(self) -> str:
        said = " ".join(self._said[-1].split()) if self._said else "no answer"
        return said.rpartition("rror details: ")[2]
