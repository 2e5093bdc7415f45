"""The collector: takes the batches of a fleet over gRPC, and answers when they are in the ledger.

>>> with collect("ledger") as collector:  # doctest: +SKIP
...     print(collector.address)
127.0.0.1:43211
"""

from pathlib import Path

from autoscale.closing import Closing
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.validation import Rules
from autoscale_runtime.fleet.collector import event_loop
from autoscale_runtime.fleet.collector.committer import Committer
from autoscale_runtime.fleet.collector.front import LIMITS, METHODS, Front
from autoscale_runtime.server.transports.choice import AUTO, transport_of
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.tokens import TokenFile


class Collector(Closing):
    """A running collector; use as a context manager, or call ``stop``.

    Attributes:
        address: ``host:port`` that devices connect to.
        port: the port alone, the one that was found if none was asked for.
    """

    def __init__(
        self,
        ledger: Ledger,
        rules: Rules,
        host: str,
        port: int,
        tokens: TokenFile | None = None,
        certificates: Certificates | None = None,
        transport: str = AUTO,
    ) -> None:
        self.address, self.port = event_loop.run(self._listen(host, port, tokens, certificates, transport))
        self._committer = Committer(ledger, rules, event_loop.soon)
        event_loop.run(self._transport.start())

    async def _listen(
        self, host: str, port: int, tokens: TokenFile | None, certificates: Certificates | None, transport: str
    ) -> tuple[str, int]:
        front = Front(lambda delivery: self._committer.submit(delivery), tokens)
        self._transport = transport_of(transport)(METHODS, front, LIMITS, tokens)
        return await self._transport.listen(host, port, certificates)

    def stop(self, grace_s: float = 10.0) -> None:
        """Take no more batches, commit and answer those that came, and let the ledger go."""
        event_loop.run(self._transport.stop(grace_s))
        self._committer.close()

    def close(self) -> None:
        """Stop."""
        self.stop()


def collect(
    ledger: Path | str,
    rules: Rules | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    tokens: TokenFile | None = None,
    certificates: Certificates | None = None,
    transport: str = AUTO,
) -> Collector:
    """Open a ledger and start to collect into it.

    Args:
        ledger: a folder; made where there is none.
        rules: what is known of the fleet.
        host: the address to listen at; the default is reached from this machine alone.
        port: 0 takes a free one.
        tokens: who may send, each the rows of the device of its name (an admin's those of any); None lets everybody.
        certificates: for TLS; None listens without encryption.
        transport: ``fast``, ``grpc`` or ``auto``, as of a server.

    Raises:
        InvalidInput: another collector has the ledger, or it is of a later version; a port that is none; certificates
            that cannot be read.
        MissingExtra: pyarrow is not installed, or what the transport needs.
        UnknownName: no such transport.
        PortInUse: the address cannot be bound.
    """
    opened = Ledger(ledger)
    try:
        return Collector(opened, rules or Rules(), host, port, tokens, certificates, transport)
    except BaseException:
        opened.close()
        raise
