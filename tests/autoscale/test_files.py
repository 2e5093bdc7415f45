"""Files are replaced whole; what is no file stays what it is."""

import os
from pathlib import Path
from threading import Thread

import pytest

from autoscale.files import atomic_write, check_writable, write_file


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("content", ["µs\n", "µs\n".encode()], ids=["text", "bytes"])
def test_text_is_written_in_utf_8_and_bytes_as_they_are(content: str | bytes, tmp_path: Path) -> None:
    write_file(tmp_path / "new", content)
    assert (tmp_path / "new").read_bytes() == b"\xc2\xb5s\n"
    assert [*tmp_path.iterdir()] == [tmp_path / "new"]


def test_a_name_that_takes_no_file_is_refused_by_itself(tmp_path: Path) -> None:
    check_writable(tmp_path / "new")
    assert [*tmp_path.iterdir()] == []
    for path, told in (
        (tmp_path, "it is a folder"),
        (tmp_path / "none" / "new", "the folder '.*none' does not exist"),
        (Path("/proc/new"), "its folder takes no file" if Path("/proc").is_dir() else "does not exist"),
    ):
        with pytest.raises(OSError, match=f"^cannot write '{path}': {told}"):
            check_writable(path)


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
