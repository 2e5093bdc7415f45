"""``autoscale fleet enrol``."""

import hashlib
import re
import secrets
from pathlib import Path
from typing import Annotated, Final

import typer

from autoscale.errors import InvalidInput
from autoscale.files import write_file
from autoscale_runtime.wire.tokens import read_tokens

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def enrol_command(
    device: Annotated[str, typer.Argument(help="device_id, the file of that name in its log.", show_default=False)],
    tokens: Annotated[Path, typer.Option(help="TOML file of tokens, as digests; made where there is none.")],
) -> None:
    """Give a device a token, so that a collector with --tokens takes its rows, and its alone.

    Prints the token once; the file holds its digest. A collector that runs reads
    the file again. To end it, take the table [clients.DEVICE] out.

    Example: autoscale fleet enrol 3f2a9c --tokens devices.toml
    """
    if not _NAME.fullmatch(device):
        raise InvalidInput(f"device is '{device}'; allowed: letters, digits, - and _, as a log's device_id has")
    known = tokens.read_text(encoding="utf-8") if tokens.exists() else ""
    if known and device in {each.name for each in read_tokens(tokens).values()}:
        raise InvalidInput(f"'{device}' has a token in '{tokens}'; allowed: one for each device")
    token = secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    write_file(tokens, f'{known.rstrip()}\n\n[clients.{device}]\nsha256 = "{digest}"\n'.lstrip())
    print(token)
