"""Files are replaced whole; what is no file stays what it is."""

import os
from pathlib import Path
from threading import Thread

import pytest

from autoscale.files import atomic_write


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe, link, told = tmp_path / "pipe", tmp_path / "link", []
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    reader = Thread(target=lambda: told.append(pipe.read_bytes()))
    reader.start()
    with atomic_write(link) as file:
        file.write(b"rows")
    reader.join()
    assert told == [b"rows"]
    assert link.is_symlink() and pipe.is_fifo()
    assert {*tmp_path.iterdir()} == {pipe, link}
