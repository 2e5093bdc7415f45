"""Certificates for tests, made by openssl, each signing itself."""

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

needs_openssl: Final = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

_AUTHORITY: Final = """
[ca]
default_ca = own
[own]
database = index.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = more
[any]
commonName = supplied
[more]
subjectAltName = IP:127.0.0.1
"""


def made(folder: Path, name: str, *more: str) -> None:
    """``name.pem`` and ``name.key``."""
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
    _run(folder, *shlex.split(command), *more)


def made_expired(folder: Path, name: str) -> None:
    """Likewise for 127.0.0.1, but good in 2020 alone."""
    for file, content in {"authority.cnf": _AUTHORITY, "index.txt": "", "serial.txt": "01\n"}.items():
        (folder / file).write_text(content)
    request = f"openssl req -new -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
    sign = f"openssl ca -batch -selfsign -notext -config authority.cnf -keyfile {name}.key -in {name}.csr"
    _run(folder, *shlex.split(request))
    days = "-startdate 20200101000000Z -enddate 20200102000000Z"
    _run(folder, *shlex.split(f"{sign} -out {name}.pem {days}"))


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
