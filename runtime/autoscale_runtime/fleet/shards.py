"""Which of several collectors a device sends to: always the same, as long as there are as many."""

import hashlib
from collections.abc import Sequence

from autoscale.errors import InvalidInput


def shard_of(device_id: str, addresses: Sequence[str]) -> str:
    """The address of a device's collector, by the SHA-256 of its name.

    Where their number changes some devices are moved; what they send again to another collector is found when the
    ledgers are reported as one.

    Raises:
        InvalidInput: no addresses, or one of them twice.

    >>> shard_of("3f2a9c", ["a:9001", "b:9001", "c:9001"])
    'a:9001'
    """
    if not addresses or len(set(addresses)) < len(addresses):
        raise InvalidInput(f"collectors are {list(addresses)}; allowed: one or more addresses, each once")
    digest = int.from_bytes(hashlib.sha256(device_id.encode()).digest()[:8])
    return addresses[digest % len(addresses)]
