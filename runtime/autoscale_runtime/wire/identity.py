"""Which model answered, as an answer reports it: the digest of its file from our server, the version from any."""

import re
from dataclasses import dataclass
from typing import Final

MODEL_SHA256: Final = "model_sha256"
"""The parameter of an answer that holds the digest: a name, so no field that another maker's protocol has otherwise."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What an answer reports of the model that gave it.

    Attributes:
        sha256: of the model's file and of its weights outside it, in hexadecimal digits; empty where not reported.
        version: of the model, as the server counts; empty where not reported.
    """

    sha256: str = ""
    version: str = ""

    @property
    def key(self) -> "Identity":
        """What tells it from another: the digest, and only without one the version."""
        return Identity(self.sha256) if self.sha256 else self

    def __str__(self) -> str:
        known = [f"model_sha256 {self.sha256[:12]}..."] if self.sha256 else []
        return ", ".join([*known, f"version '{self.version}'"] if self.version else known) or "nothing"


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 in hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None
