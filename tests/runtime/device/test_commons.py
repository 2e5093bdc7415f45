"""What sessions of one device have in common."""

import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autoscale_runtime import Session
from autoscale_runtime.device.commons import Commons, another_device, commons
from autoscale_runtime.sensors.links import GOOD_LINK
from tests.runtime.session_parts import PATIENT, QUIET, bundle
from tests.waiting import LONGEST_WAIT_S

HERE, THERE = "127.0.0.1:9", "127.0.0.1:10"


def test_a_device_has_one_radio_of_a_name_and_knows_one_link_to_an_address() -> None:
    with another_device(time.perf_counter):
        own = commons()
        radio, link = own.radio("wifi"), own.link("cloud", HERE, False)
        assert commons().radio("wifi") is radio
        assert own.link("cloud", HERE, False) is link
        others = own.link("cloud", HERE, True), own.link("cloud", THERE, False), own.link("edge", HERE, False)
        assert len({link, *others}) == 4
    assert commons().radio("wifi") is not radio
    assert commons().link("cloud", HERE, False) is not link


def test_threads_that_ask_a_forked_process_at_once_get_one_and_the_same() -> None:
    own, together = Commons(), threading.Barrier(8)

    def asked(_: int) -> object:
        together.wait(LONGEST_WAIT_S)
        return own.of_this_process(), own.radio("wifi")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(asked, range(8)))) == 1


def test_what_is_known_of_a_link_is_forgotten_with_the_last_session_that_uses_it() -> None:
    own = commons()
    own.link("cloud", HERE, False).observe(600_000, 1_000, 3.0, 0.0)
    gc.collect()
    assert own.link("cloud", HERE, False).predict_s(600_000, 1_000) is None


def test_what_one_session_learns_of_a_link_the_others_to_that_address_see(tmp_path: Path) -> None:
    model = bundle(tmp_path)
    with another_device(time.perf_counter):
        sessions = [
            Session(model, PATIENT, remotes={"cloud": address}, options=QUIET) for address in (HERE, HERE, THERE)
        ]
    assert [session.observe().link("cloud").uplink_bps for session in sessions] == [None, None, None]
    sessions[0]._decider.device.hub.failed("cloud", 600_000, 3.0)
    seen_bps = [session.observe().link("cloud").uplink_bps for session in sessions]
    assert seen_bps[0] == seen_bps[1]
    assert seen_bps[0] is not None and GOOD_LINK.uplink_bps is not None
    assert seen_bps[0] < GOOD_LINK.uplink_bps
    assert seen_bps[2] is None
    for session in sessions:
        session.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_waits_for_no_thread_of_its_parents() -> None:
    parents = commons().radio("wifi")
    with commons().of_this_process().lock:
        child = os.fork()
        if not child:
            os._exit(0 if commons().radio("wifi") is not parents else 1)
    until_s = time.monotonic() + LONGEST_WAIT_S
    ended, status = 0, 1
    while not ended and time.monotonic() < until_s:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    assert (ended, status) == (child, 0)
