"""What a collector's front does with calls, whichever transport they came by."""

from pathlib import Path

import grpc
import pytest

from autoscale_runtime.server.transports.base import Call, Trailers

pytest.importorskip("pyarrow")

from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.validation import Rules
from autoscale_runtime.fleet.collector.committer import Committer
from autoscale_runtime.fleet.collector.front import Front
from autoscale_runtime.fleet.collector.reading import MOST_WAITING_BYTES, SERVICE


class Kept(Call):
    """Keeps what it was told."""

    def reply(self, message: bytes) -> None:
        raise AssertionError("nothing is taken here")

    def refuse(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        self.told = code, text


def test_batches_that_were_refused_do_not_wait(tmp_path: Path) -> None:
    """Else a collector that refused as many as it holds would refuse for ever."""
    committer = Committer(Ledger(tmp_path / "ledger"), Rules())
    committer.close()
    front = Front(committer.submit, None)
    message = bytes(MOST_WAITING_BYTES // 4)
    for _ in range(9):
        call = Kept(f"{SERVICE}/Upload", message)
        front.request(call)
        assert "the collector is stopping" in call.told[1]
