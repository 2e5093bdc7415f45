"""A real server that replays answers of the shape that the carbon APIs give, for a day at noon."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, str], Any]


@dataclass
class Replay:
    """What the server answers by path, and what it was asked."""

    answers: dict[str, Callable[[dict[str, str], dict[str, str]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def says(self, path: str, document: Any, status: int = 200, **headers: str) -> None:
        """Whoever asks."""
        self.answers[path] = lambda query, sent: (status, headers, document)

    def says_of(self, path: str, key: str, zone: str, document: Any) -> None:
        """For the one zone it knows."""
        self.answers[path] = lambda query, sent: (200 if query.get(key) == zone else 404, {}, document)


@contextmanager
def replaying() -> Iterator[Replay]:
    """A server on a free port of this machine, until the block ends."""
    replay = Replay()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            replay.asked.append((parts.path, query))
            sent = {key.lower(): value for key, value in self.headers.items()}
            answer = replay.answers.get(parts.path)
            status, headers, document = answer(query, sent) if answer else (404, {}, {"error": "no such path"})
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(b"" if status == 204 else body)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    replay.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield replay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def at(hour: int, minute: int = 0, day: int = 1) -> str:
    return f"2024-05-{day:02}T{hour:02}:{minute:02}:00.000Z"


def electricity_maps(replay: Replay) -> None:
    rows = [
        {"zone": "DE", "carbonIntensity": 100 + hour, "datetime": at(hour), "updatedAt": at(hour, 40)}
        | {"emissionFactorType": "lifecycle", "isEstimated": hour == 12, "estimationMethod": None}
        for hour in range(13)
    ]
    expected = [{"carbonIntensity": 200 + hour, "datetime": at(hour)} for hour in range(12, 24)]
    replay.says_of("/carbon-intensity/history", "zone", "DE", {"zone": "DE", "history": rows})
    replay.says_of(
        "/carbon-intensity/forecast", "zone", "DE", {"zone": "DE", "forecast": expected, "updatedAt": at(12)}
    )


def watttime(replay: Replay) -> None:
    def login(query: dict[str, str], sent: dict[str, str]) -> Answer:
        right = "Basic " + base64.b64encode(b"ada:secret").decode()
        return (200, {}, {"token": "t-1"}) if sent.get("authorization") == right else (403, {}, {})

    def guarded(document: Any) -> Callable[[dict[str, str], dict[str, str]], Answer]:
        def answer(query: dict[str, str], sent: dict[str, str]) -> Answer:
            if sent.get("authorization") != "Bearer t-1":
                return 401, {}, {}
            return (200, {}, document) if query["region"] == "CAISO_NORTH" else (404, {}, {})

        return answer

    meta = {"data_point_period_seconds": 300, "region": "CAISO_NORTH", "signal_type": "co2_moer"}
    meta |= {"units": "lbs_co2_per_mwh", "warnings": [], "model": {"date": "2023-03-01"}}
    past = [{"point_time": f"2024-05-01T12:{minute:02}:00+00:00", "value": 1000.0} for minute in (0, 5)]
    ahead = [{"point_time": f"2024-05-01T12:{minute:02}:00+00:00", "value": 900.0} for minute in range(10, 60, 5)]
    replay.answers["/login"] = login
    replay.answers["/v3/historical"] = guarded({"data": past, "meta": meta})
    replay.answers["/v3/forecast"] = guarded({"data": ahead, "meta": {**meta, "generated_at": at(12, 10)}})


def carbon_aware_sdk(replay: Replay) -> None:
    emissions = [{"location": "eastus", "time": f"2024-05-01T{hour:02}:00:00+00:00", "rating": 70} for hour in (11, 12)]
    points = [
        {"location": "PJM", "timestamp": f"2024-05-01T{hour}:00:00+00:00", "duration": 60, "value": 448.4}
        for hour in (13, 14, 15)
    ]
    replay.says_of("/emissions/bylocation", "location", "eastus", emissions)
    replay.says_of(
        "/emissions/forecasts/current",
        "location",
        "eastus",
        [{"location": "eastus", "generatedAt": at(12), "forecastData": points}],
    )


def neso(replay: Replay) -> None:
    def half_hour(hour: int, minute: int, actual: int | None) -> dict[str, Any]:
        intensity = {"forecast": 150 + hour, "actual": actual, "index": "moderate"}
        return {"from": f"2024-05-01T{hour:02}:{minute:02}Z", "to": "", "intensity": intensity}

    rows = [half_hour(hour, minute, 99 if hour < 12 else None) for hour in range(6, 24) for minute in (0, 30)]
    regional = [{**row, "intensity": {"forecast": 33, "index": "low"}} for row in rows]
    replay.says("/intensity/2024-05-01T06:10Z/fw48h", {"data": rows})
    replay.says(
        "/regional/intensity/2024-05-01T06:10Z/fw48h/regionid/13",
        {"data": {"regionid": 13, "shortname": "London", "data": regional}},
    )
