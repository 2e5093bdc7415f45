"""How a server is operated, beside how much it does: who may call, what is encrypted, what it tells of itself."""

from dataclasses import dataclass, field

from autoscale_runtime.server.access_log import AccessLog
from autoscale_runtime.server.configuration import Configuration
from autoscale_runtime.server.tracing import Traces
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.tokens import TokenFile


@dataclass(frozen=True, slots=True)
class Operation:
    """Of a server within a program nothing of it is on.

    Attributes:
        certificates: for TLS; None listens without encryption.
        tokens: who may call; None lets everybody.
        metrics_port: of Prometheus's page, on the server's host, 0 for a free one; None for no page.
        configuration: how each model is served.
        access_log: a line for each query; None writes none. Whoever made it closes it after the server.
        traces: a span for each query is sent; None sends none. Whoever made it closes it after the server.
    """

    certificates: Certificates | None = None
    tokens: TokenFile | None = None
    metrics_port: int | None = None
    configuration: Configuration = field(default_factory=Configuration)
    access_log: AccessLog | None = None
    traces: Traces | None = None
