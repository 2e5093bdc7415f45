"""``autoscale fleet serve``: the report's page, live in a browser."""

import signal
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Final

import typer

from autoscale.command import HostOption, PortOption
from autoscale.errors import PortInUse
from autoscale.fleet.export.html.site import Site
from autoscale.fleet.ledger.ledgers import read_ledgers
from autoscale.fleet.report import Question
from autoscale.fleet.report.inventory import read_inventory
from autoscale.fleet.report.life_cycle import LifeCycle, read_life_cycle

_LEDGERS = typer.Argument(help="Folder of a ledger, or of several.", show_default=False, metavar="LEDGER...")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def serve_command(
    ledgers: Annotated[list[str], _LEDGERS],
    host: HostOption = "127.0.0.1",
    port: PortOption = 8050,
    inventory: Annotated[Path | None, typer.Option(help="CSV or TOML of the machines there are.")] = None,
    lifecycle: Annotated[Path | None, typer.Option(help="TOML of training, experimentation and growth.")] = None,
) -> None:
    """Show a ledger's report in a browser, as it is now, also while its collector runs.

    Filters by span, network, device model, region and target; down to single
    decisions; as JSON at /report.json. It reads the hourly sums where there are
    any. Whoever reaches the port may read all of it: there is no password.

    Prints "serving LEDGER at http://127.0.0.1:8050" once it is ready. SIGTERM or
    Ctrl-C stops it.

    Example: autoscale fleet serve ledger --port 8050
    """
    read_ledgers(ledgers)
    question = Question(
        inventory=() if inventory is None else read_inventory(inventory),
        life_cycle=LifeCycle() if lifecycle is None else read_life_cycle(lifecycle),
    )
    with opened(Site(ledgers, question), host, port) as server:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        shown = f"[{host}]" if ":" in host else host
        print(f"serving {', '.join(ledgers)} at http://{shown}:{server.server_port}", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def opened(site: Site, host: str, port: int) -> ThreadingHTTPServer:
    """A server of a site, bound and not running yet.

    Raises:
        PortInUse: the address cannot be bound.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer one request; where only this machine is served, none that was led here under another name."""
            asked = self.headers.get("Host", "").rpartition(":")[0].strip("[]") or self.headers.get("Host", "")
            if host in _LOOPBACK and asked not in _LOOPBACK:
                self.send_error(403, "allowed: 127.0.0.1, localhost")
                return
            answer = site.answer(self.path)
            content = answer.text.encode()
            self.send_response(answer.status)
            for name, value in (
                ("Content-Type", f"{answer.content_type}; charset=utf-8"),
                ("Content-Length", str(len(content))),
                ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
            ):
                self.send_header(name, value)
            if answer.refresh_s:
                self.send_header("Refresh", str(answer.refresh_s))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            """The headers of what GET answers."""
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise PortInUse(
            f"cannot listen at {host}:{port}: {error.strerror}; allowed: a free port; 0 takes any"
        ) from error
