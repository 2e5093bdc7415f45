"""Whatever is tested of the server is tested through each of its transports."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server, serve
from autoscale_runtime.server.transports.choice import FAST, NAMES


@pytest.fixture(scope="session", params=NAMES)
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == FAST:
        pytest.importorskip("ngh2", reason="the transport 'fast' needs the extra of that name")
    return name


@pytest.fixture(scope="session")
def server(repository: Path, account: ServerAccount, transport: str) -> Iterator[Server]:
    with serve(repository, account=account, transport=transport) as running:
        yield running
