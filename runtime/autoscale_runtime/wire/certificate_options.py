"""The options of commands that listen over TLS."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

CertificateOption: TypeAlias = Annotated[
    Path | None, typer.Option("--tls-cert", help="Certificate in PEM: speak TLS.", show_default=False)
]
KeyOption: TypeAlias = Annotated[
    Path | None, typer.Option("--tls-key", help="Its private key in PEM.", show_default=False)
]
ClientRootsOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--client-ca",
        help="Roots in PEM of the certificates that clients must show (mutual TLS).",
        show_default=False,
    ),
]
