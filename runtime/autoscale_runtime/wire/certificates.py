"""TLS of a server: its certificate and key, and for mutual TLS whose certificates its clients must have."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from autoscale.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM.

    Attributes:
        cert: the server's certificate, with those between it and its root.
        key: its private key.
        client_ca: roots of the certificates that clients must show; None takes any client.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """What gRPC listens with; files that change are read again with the next connection.

        Raises:
            InvalidInput: a file cannot be read.
        """
        first = self._configuration()
        known = [self._stamps()]

        def newer() -> grpc.ServerCertificateConfiguration | None:
            try:
                stamps = self._stamps()
                if stamps == known[0]:
                    return None
                made = self._configuration()
            except (InvalidInput, OSError):  # half written: those known stay good
                return None
            known[0] = stamps
            return made

        # None keeps what is known, which the stubs leave out.
        return grpc.dynamic_ssl_server_credentials(first, newer, self.client_ca is not None)  # type: ignore[arg-type]

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        key, cert = _read(self.key, "private key"), _read(self.cert, "certificate")
        roots = None if self.client_ca is None else _read(self.client_ca, "clients' root certificates")
        return grpc.ssl_server_certificate_configuration([(key, cert)], roots)

    def _stamps(self) -> list[int]:
        files = [self.cert, self.key, *([] if self.client_ca is None else [self.client_ca])]
        return [each.stat().st_mtime_ns for each in files]


def _read(path: Path, what: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"the {what} '{path}' cannot be read: {error.strerror}") from error
    if b"-----BEGIN" not in content:
        raise InvalidInput(f"the {what} '{path}' is not in PEM; allowed: a file with -----BEGIN ...")
    return content
