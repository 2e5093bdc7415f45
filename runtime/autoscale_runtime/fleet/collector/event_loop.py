"""The one event loop on which all collectors of a process answer: gRPC's asyncio wants one, in one thread."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

Result = TypeVar("Result")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="fleet", daemon=True).start()
    return loop


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for work that runs on the loop; not to be called from it."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


def soon(act: Callable[[], None]) -> None:
    """Have something done on the loop, without waiting for it; from any thread."""
    _loop().call_soon_threadsafe(act)
