"""What all that is sent by OTLP shares: OpenTelemetry's packages, whose it is, and its own log kept out of ours."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from autoscale import extras

_LOGGER: Final = "opentelemetry.exporter.otlp.proto.grpc.exporter"
_SAID: Final[dict[int, list[str]]] = {}


def package(name: str, purpose: str) -> Any:
    """A package of OpenTelemetry's.

    Raises:
        MissingExtra: it is not installed.
    """
    return extras.package(name, "telemetry", purpose, "opentelemetry-exporter-otlp-proto-grpc")


def resource(own: dict[str, str], purpose: str) -> Any:
    """Whose it is: what ``own`` says, and before that what the environment's ``OTEL_*`` variables say.

    Raises:
        MissingExtra: opentelemetry is not installed.
    """
    resources = package("opentelemetry.sdk.resources", purpose)
    return resources.Resource.create(own).merge(resources.OTELResourceDetector().detect())


@contextmanager
def unheard() -> Iterator[list[str]]:
    """Without what the exporter logs on this thread; gives that, since its failures are reported once, in our words."""
    logger = logging.getLogger(_LOGGER)
    logger.addFilter(_is_heard)  # once, however often it is added
    said = _SAID[threading.get_ident()] = []
    try:
        yield said
    finally:
        del _SAID[threading.get_ident()]


def _is_heard(record: logging.LogRecord) -> bool:
    said = _SAID.get(threading.get_ident())
    if said is not None:
        said.append(record.getMessage())
    return said is None
