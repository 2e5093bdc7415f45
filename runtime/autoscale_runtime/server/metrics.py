"""What the server tells Prometheus, at ``http://HOST:PORT/metrics``: its queues, its answers, its joules and grams."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.serving import Serving

_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_LONGEST_HEAD: Final = 8192
_PATIENCE_S: Final = 5.0

_BROKEN_OFF: Final = (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)

Family = tuple[str, str, str, list[tuple[dict[str, str], float]]]


def families(serving: Serving, account: ServerAccount) -> Iterator[Family]:
    """Name, type, help, and values with their labels."""
    models = [({"model": name}, each) for name, each in serving.models.items()]
    waiting = [(labels, float(each.scheduler.waiting)) for labels, each in models]
    running = [(labels, float(each.scheduler.running)) for labels, each in models]
    yield "autoscale_queries_waiting", "gauge", "Queries that wait for their turn.", waiting
    yield "autoscale_queries_running", "gauge", "Queries that were handed over to their model.", running
    answers = [
        ({**labels, "code": code}, float(count))
        for labels, each in models
        for code, count in sorted(each.statistics.by_code.items())
    ]
    yield "autoscale_answers_total", "counter", "Answers by gRPC status.", answers
    for name, text in (("queue", "Seconds that queries waited."), ("compute", "Seconds that models ran.")):
        totals = [(labels, getattr(each.statistics, name).total_s) for labels, each in models]
        yield f"autoscale_{name}_seconds_total", "counter", text, totals
    mean = [(labels, each.scheduler.mean_s) for labels, each in models]
    yield "autoscale_service_time_seconds", "gauge", "Mean seconds that a query holds an instance.", mean
    energy = [(labels, each.statistics.energy_j) for labels, each in models]
    yield "autoscale_query_energy_joules_total", "counter", "Joules told to callers, by model.", energy
    totals_now, method = account.tick(), str(account.method)
    uses = {
        "told": totals_now.told_j,
        "failed": totals_now.failed_j,
        "idle": totals_now.idle_j,
        "overhead": totals_now.overhead_j,
        "others": totals_now.others_j,
    }
    by_use = [({"use": use, "method": method}, joules) for use, joules in uses.items()]
    yield "autoscale_energy_joules_total", "counter", "Joules of the machine by use; they add up to all of it.", by_use
    grams = [({"use": "told"}, totals_now.told_g), ({"use": "other"}, totals_now.other_g)]
    text = "Grams of CO2e, operational with the building's share and embodied; SCI's O + M of this machine."
    yield "autoscale_carbon_grams_total", "counter", text, grams


def rendered(serving: Serving, account: ServerAccount) -> str:
    """All families, in Prometheus's text format."""
    lines: list[str] = []
    for name, kind, text, values in families(serving, account):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for labels, value in values:
            told = ",".join(f'{key}="{word.translate(_ESCAPES)}"' for key, word in labels.items())
            lines.append(f"{name}{{{told}}} {value!r}")
    return "\n".join(lines) + "\n"


class MetricsPage:
    """Answers GET /metrics. On the event loop.

    Args:
        serving: the models.
        account: the joules.
    """

    def __init__(self, serving: Serving, account: ServerAccount) -> None:
        self._serving, self._account = serving, account
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Answer from now on; the port, the one that was found if 0 was asked for."""
        self._server = await asyncio.start_server(self._answer, host, port, limit=_LONGEST_HEAD)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Answer no longer."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError
        ):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _PATIENCE_S)
            words = head.split(b" ", 2)
            found = words[0] == b"GET" and words[1].partition(b"?")[0] == b"/metrics"
            body = rendered(self._serving, self._account).encode() if found else b"only GET /metrics is here\n"
            status = "200 OK" if found else "404 Not Found"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: {_TYPE}\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + body
            )
            await asyncio.wait_for(writer.drain(), _PATIENCE_S)
        writer.close()
