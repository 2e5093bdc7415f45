"""The shaped link through real sockets: never faster than its conditions, in order, outages, traces, the command.

How much slower a loaded machine makes it is nobody's promise: ``test_lane.py`` has the times to the microsecond.
"""

import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import InvalidInput, PortInUse, TraceError
from autoscale.profiles.link_trace_files import LinkTrace, read_trace
from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.link_command import link as link_command
from autoscale_runtime.link.shaped_link import ShapedLink
from tests.waiting import LONGEST_WAIT_S

TIMEOUT_S = LONGEST_WAIT_S
SIZE_BYTES = 8


def serve(answer: Callable[[socket.socket], None]) -> tuple[socket.socket, str]:
    """A server with a thread a connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, suppress(OSError):  # a link that closes resets its connections
            answer(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener, f"127.0.0.1:{listener.getsockname()[1]}"


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def download(connection: socket.socket) -> None:
    """Answer each 8-byte number with so many bytes."""
    while size := connection.recv(SIZE_BYTES, socket.MSG_WAITALL):
        connection.sendall(bytes(int.from_bytes(size)))


def stopping(server: tuple[socket.socket, str]) -> Iterator[str]:
    listener, address = server
    yield address
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture(scope="module")
def echo_server() -> Iterator[str]:
    yield from stopping(serve(echo))


@pytest.fixture(scope="module")
def download_server() -> Iterator[str]:
    yield from stopping(serve(download))


def connected(link: ShapedLink) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", link.port), timeout=TIMEOUT_S)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def received(client: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size and (data := client.recv(65536)):
        parts += data
    return bytes(parts)


def round_trip_s(client: socket.socket, data: bytes = b"ping") -> float:
    start = time.perf_counter()
    client.sendall(data)
    assert received(client, len(data)) == data
    return time.perf_counter() - start


def download_s(client: socket.socket, size: int) -> float:
    start = time.perf_counter()
    client.sendall(size.to_bytes(SIZE_BYTES))
    assert len(received(client, size)) == size
    return time.perf_counter() - start


@pytest.mark.parametrize("rtt_s", [0.002, 0.01, 0.05])
def test_round_trip(echo_server: str, rtt_s: float) -> None:
    with ShapedLink(echo_server, LinkConditions(round_trip_s=rtt_s)) as link, connected(link) as client:
        measured = [round_trip_s(client) for _ in range(12)][1:]
    assert min(measured) >= rtt_s


@pytest.mark.parametrize(("mbps", "size"), [(1, 20_000), (20, 400_000), (100, 2_000_000)])
def test_rate(download_server: str, mbps: float, size: int) -> None:
    with ShapedLink(download_server, LinkConditions(rate_bps=mbps * 1e6)) as link, connected(link) as client:
        measured = min(download_s(client, size) for _ in range(2))
    assert measured > size * 8 / mbps / 1e6 * 0.98


def test_an_uplink_of_its_own(echo_server: str) -> None:
    conditions = LinkConditions(rate_bps=100e6, uplink_bps=4e6)
    with ShapedLink(echo_server, conditions) as link, connected(link) as client:
        assert min(round_trip_s(client, bytes(100_000)) for _ in range(2)) > 0.195


def test_delay_comes_on_top_of_air_time(download_server: str) -> None:
    conditions = LinkConditions(rate_bps=50e6, round_trip_s=0.1)
    with ShapedLink(download_server, conditions) as link, connected(link) as client:
        download_s(client, 1)
        assert download_s(client, 1_000_000) > 0.25


def test_connections_share_the_rate(download_server: str) -> None:
    with ShapedLink(download_server, LinkConditions(rate_bps=20e6)) as link:
        clients = [connected(link) for _ in range(2)]
        threads = [threading.Thread(target=download_s, args=(client, 500_000)) for client in clients]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.perf_counter() - start > 0.39
        for client in clients:
            client.close()


@pytest.mark.parametrize("seed", range(3))
def test_every_byte_arrives_in_order_whatever_the_link_does(echo_server: str, seed: int) -> None:
    dice = random.Random(seed)
    data = dice.randbytes(400_000)
    with ShapedLink(echo_server, seed=seed) as link, connected(link) as client:

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        stop = threading.Event()

        def shake() -> None:
            while not stop.wait(0.01):
                rate_bps = dice.choice([0.0, 5e6, 50e6, 50e6])
                link.conditions = LinkConditions(rate_bps, dice.uniform(0, 0.02), 0.01, 0.05)

        shaker = threading.Thread(target=shake)
        shaker.start()
        back = received(client, len(data))
        end = client.recv(1)
        stop.set()
        shaker.join()
        sender.join()
        up_bytes, down_bytes = link.carried_bytes
    assert back == data
    assert end == b""
    assert up_bytes == down_bytes == len(data)


def test_an_outage_stalls_and_loses_nothing(echo_server: str) -> None:
    with ShapedLink(echo_server, LinkConditions(rate_bps=50e6)) as link, connected(link) as client:
        round_trip_s(client)
        link.conditions = LinkConditions(rate_bps=0.0)
        assert link.now().is_down
        client.sendall(b"kept")
        client.settimeout(0.15)
        with pytest.raises(TimeoutError):
            client.recv(1)
        with connected(link) as newcomer:
            newcomer.sendall(b"also")
            newcomer.settimeout(0.1)
            with pytest.raises(TimeoutError):
                newcomer.recv(1)
            link.conditions = LinkConditions()
            newcomer.settimeout(TIMEOUT_S)
            assert received(newcomer, 4) == b"also"
        client.settimeout(TIMEOUT_S)
        assert received(client, 4) == b"kept"


def test_an_outage_holds_the_sender_back(echo_server: str) -> None:
    with ShapedLink(echo_server) as link, connected(link) as client:
        round_trip_s(client)
        link.conditions = LinkConditions(rate_bps=0.0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        client.settimeout(0.2)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 4_000_000:
                sent += client.send(bytes(8192))
    assert sent < 600_000


def test_a_trace_drives_the_link(download_server: str) -> None:
    trace = LinkTrace(np.array([0.0, 0.3, 0.6]), np.array([40e6, 0.0, 4e6]), rssi_dbm=np.array([-50.0, -95.0, -82.0]))
    now_s = [0.0]
    conditions = LinkConditions(round_trip_s=0.002)
    with ShapedLink(download_server, conditions, clock=lambda: now_s[0]) as link, connected(link) as client:
        link.play(trace, end="hold")
        assert (link.now().rate_bps, link.now().rssi_dbm, link.now().round_trip_s) == (40e6, -50.0, 0.002)
        download_s(client, 1)
        now_s[0] = 0.35
        assert link.now().is_down
        client.sendall((25_000).to_bytes(SIZE_BYTES))
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
        now_s[0] = 0.7
        client.settimeout(TIMEOUT_S)
        assert len(received(client, 25_000)) == 25_000
        assert (link.now().rate_bps, link.now().rssi_dbm) == (4e6, -82.0)


def test_a_trace_that_stops_is_over_and_played_faster(echo_server: str) -> None:
    trace = LinkTrace(np.array([0.0, 5.0]), np.array([1e6, 2e6]))
    now_s = [0.0]
    with ShapedLink(echo_server, clock=lambda: now_s[0]) as link:
        link.play(trace, speed=100.0, end="stop")
        now_s[0] = 0.99 * trace.duration_s / 100.0
        assert not link.is_over
        now_s[0] = 1.01 * trace.duration_s / 100.0
        assert link.is_over
        assert link.now().is_down
        link.conditions = LinkConditions()
        assert not link.is_over


def test_a_dead_server_shows_as_a_reset_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    # The reset may come before connecting has returned.
    with ShapedLink(address) as link, pytest.raises(ConnectionResetError), connected(link) as client:
        client.recv(1)


def test_closing_ends_connections_and_frees_the_port(echo_server: str) -> None:
    link = ShapedLink(echo_server).start()
    with connected(link) as client:
        round_trip_s(client)
        link.close()
        link.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with ShapedLink(echo_server, port=link.port) as again, connected(again) as client:
        round_trip_s(client)


def test_a_port_in_use(echo_server: str) -> None:
    with ShapedLink(echo_server) as link, pytest.raises(PortInUse, match=str(link.port)):
        ShapedLink(echo_server, port=link.port).start()


@pytest.mark.parametrize("target", ["", "8001", "host:", ":80", "host:http", "host:0", "host:65536"])
def test_a_target_that_is_no_address(target: str) -> None:
    with pytest.raises(InvalidInput, match="allowed"):
        ShapedLink(target)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rate_bps", -1.0), ("rate_bps", float("nan")), ("loss", 1.5), ("round_trip_s", -0.1), ("jitter_s", -1.0)],
)
def test_conditions_out_of_range(name: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=f"{name} is {value}; allowed"):
        LinkConditions(**{name: value})


def run_command(*arguments: str) -> subprocess.Popen[str]:
    program = "import typer; from autoscale_runtime.link.link_command import link; typer.run(link)"
    return subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_it_is_and_stops_at_a_signal(echo_server: str, stop: signal.Signals) -> None:
    with run_command("--to", echo_server, "--rate-mbps", "50", "--rtt-ms", "4") as process:
        assert process.stdout is not None
        word, address, arrow, target = process.stdout.readline().split()
        assert (word, arrow, target) == ("link", "->", echo_server)
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as client:
            assert round_trip_s(client) >= 0.004
        process.send_signal(stop)
        assert process.wait(TIMEOUT_S) == 0


def test_the_command_ends_with_a_trace_played_once(tmp_path: Path, echo_server: str) -> None:
    path = tmp_path / "short.csv"
    path.write_text("time_s,mbps\n0,5\n0.1,0\n")
    with run_command("--to", echo_server, "--trace", str(path), "--once") as process:
        assert process.wait(TIMEOUT_S) == 0


def test_the_command_refuses_what_it_cannot_do(tmp_path: Path, echo_server: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("time_s,mbps\n0,fast\n")
    with pytest.raises(TraceError, match="line 2"):
        link_command(to=echo_server, trace=path)
    with pytest.raises(InvalidInput, match="one of them"):
        link_command(to=echo_server, trace=path, rate_mbps=1.0)
    with pytest.raises(InvalidInput, match="--once is about a trace"):
        link_command(to=echo_server, loop=False)
    with ShapedLink(echo_server) as link, pytest.raises(PortInUse):
        link_command(to=echo_server, port=link.port)


def test_reader_and_link_agree_on_a_mahimahi_file(tmp_path: Path, download_server: str) -> None:
    path = tmp_path / "fixed.down"
    path.write_text("1\n")
    with ShapedLink(download_server) as link, connected(link) as client:
        link.play(read_trace(path))
        assert link.now().rate_bps == pytest.approx(12e6)
        assert download_s(client, 150_000) > 0.095
