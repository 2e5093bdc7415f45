"""TLS of both sides: certificate and key, and whose certificates the other side must have."""

import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from autoscale.errors import InvalidInput
from autoscale_runtime.wire.access import Access


@dataclass(frozen=True, slots=True)
class Certificates:
    """Of a server: files in PEM.

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

    def context(self) -> ssl.SSLContext:
        """What a server of Python's own sockets listens with; files that change are read again, likewise.

        Raises:
            InvalidInput: a file cannot be read, or cannot be used.
        """
        first = self._context()
        known = [(self._stamps(), first)]

        def newest(tls: ssl.SSLObject, _name: str | None, _given: ssl.SSLContext) -> None:
            with contextlib.suppress(InvalidInput, OSError):  # half written: those known stay good
                if (stamps := self._stamps()) != known[0][0]:
                    known[0] = stamps, self._context()
            tls.context = known[0][1]

        first.sni_callback = newest
        return first

    def _context(self) -> ssl.SSLContext:
        self._configuration()  # reads them all, and says which one is none
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        _try("certificate and private key", self.cert, lambda: context.load_cert_chain(self.cert, self.key, lambda: ""))
        if self.client_ca is not None:
            roots = self.client_ca
            _try("clients' root certificates", roots, lambda: context.load_verify_locations(roots))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        key, cert = _read(self.key, "private key"), _read(self.cert, "certificate")
        roots = None if self.client_ca is None else _read(self.client_ca, "clients' root certificates")
        return grpc.ssl_server_certificate_configuration([(key, cert)], roots)

    def _stamps(self) -> list[int]:
        files = [self.cert, self.key, *([] if self.client_ca is None else [self.client_ca])]
        return [each.stat().st_mtime_ns for each in files]


def certificates_of(cert: Path | None, key: Path | None, client_ca: Path | None) -> Certificates | None:
    """Those of a server whose command was given these options; None where it was given none.

    Raises:
        InvalidInput: some, but not enough for TLS.
    """
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise InvalidInput("TLS needs both --tls-cert and --tls-key; --client-ca makes it mutual")
    return Certificates(cert, key, client_ca)


def client_credentials(access: Access) -> grpc.ChannelCredentials:
    """What a client connects with over TLS; its files are read now.

    Raises:
        InvalidInput: a file cannot be read or is not what it should be, or key and certificate are no pair.
    """
    roots = certificate = key = None
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not isinstance(access.tls, bool):
        file = Path(access.tls)
        roots = _read(file, "root certificates")
        _try("root certificates", file, lambda: trusted.load_verify_locations(file))
    if access.certificate is not None:
        own_key = access.certificate if access.key is None else access.key
        certificate, key = _read(Path(access.certificate), "certificate"), _read(Path(own_key), "private key")
        # gRPC would take any and fail at each connection; asked for a password, ssl would wait at the terminal.
        shown = access.certificate
        _try("certificate and private key", shown, lambda: trusted.load_cert_chain(shown, own_key, lambda: ""))
    return grpc.ssl_channel_credentials(roots, key, certificate)


def check_in_time(access: Access) -> None:
    """Whether the client's own certificate can be shown today: it is shown to one who trusts it, in memory.

    Raises:
        InvalidInput: it has expired, is not valid yet, or not for clients.
    """
    if access.certificate is None:
        return
    chain = access.certificate, access.certificate if access.key is None else access.key
    asks, shows = (ssl.SSLContext(each) for each in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    for each in (asks, shows):
        each.load_cert_chain(*chain)
    shows.check_hostname, shows.verify_mode = False, ssl.CERT_NONE
    asks.load_verify_locations(access.certificate)
    asks.verify_mode, asks.maximum_version = ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_2
    asks.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = shows.wrap_bio(back, there), asks.wrap_bio(there, back, server_side=True)
    try:
        for side in 2 * sides:  # TLS 1.2 goes twice to and fro
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        wrong = f"the certificate '{access.certificate}' cannot be used: {error.verify_message}"
        raise InvalidInput(f"{wrong}; allowed: one that is valid now, of a client") from error


def _try(what: str, path: str | Path, load: Callable[[], None]) -> None:
    try:
        load()
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "the key is encrypted"
        why = str(reason).lower().replace("_", " ")
        raise InvalidInput(
            f"the {what} '{path}' cannot be used: {why}; allowed: PEM, the key without password"
        ) from error


def _read(path: Path, what: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"the {what} '{path}' cannot be read: {error.strerror}") from error
    if b"-----BEGIN" not in content:
        raise InvalidInput(f"the {what} '{path}' is not in PEM; allowed: a file with -----BEGIN ...")
    return content
