"""Damage to what is stored: found, named, left out and counted; no flipped bit changes a sum in silence."""

import random
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscale.errors import InvalidInput
from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.fleet_command import fleet
from autoscale.fleet.ledger.ledgers import read_ledgers
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.verification import verify
from autoscale.fleet.ledger.view import LedgerView, read_ledger, verified
from autoscale.fleet.report import Question, account
from tests.autoscale.fleet.ledger_parts import random_rows, written
from tests.golden_files import GOLDEN

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)

FLIPS = 300


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return written(tmp_path / "ledger", random_rows(900, 5))


def looked_into(ledger: Path) -> LedgerView:
    view = read_ledger(ledger)
    return verified(view, view.files)


def flip(path: Path, chance: random.Random) -> bytes:
    """Flip one bit; gives what the file was."""
    before = path.read_bytes()
    content = bytearray(before)
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return before


def test_no_flipped_bit_of_a_file_goes_unseen(ledger: Path) -> None:
    chance = random.Random(1)
    files = read_ledger(ledger).files
    for _ in range(FLIPS):
        path = chance.choice(files)
        before = flip(path, chance)
        [damaged] = looked_into(ledger).damaged
        assert damaged.path == path.relative_to(ledger).as_posix()
        path.write_bytes(before)
    assert looked_into(ledger).damaged == ()


def test_no_flipped_bit_of_the_manifest_changes_what_counts_in_silence(ledger: Path) -> None:
    chance = random.Random(2)
    clean = looked_into(ledger)
    told = 0
    for _ in range(FLIPS):
        before = flip(ledger / "manifest.sqlite", chance)
        try:
            view = looked_into(ledger)
            is_told = not view.is_sealed or bool(view.damaged)
        except InvalidInput:
            is_told = True
        assert is_told or (view.entries, view.counts) == (clean.entries, clean.counts)
        told += is_told
        (ledger / "manifest.sqlite").write_bytes(before)
    assert told > FLIPS // 100


def test_what_is_damaged_is_named_left_out_and_counted(ledger: Path) -> None:
    whole = as_json(account(ledger))
    path = read_ledger(ledger).files[1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found, name = as_json(account(ledger)), path.relative_to(ledger).as_posix()
    assert found["inferences"] == whole["inferences"] - found["rows"]["damaged"][name]
    assert "left out" in found["notices"][0]
    with pytest.raises(InvalidInput, match=f"{name}.*allowed without --strict"):
        account(ledger, Question(is_strict=True))


def test_verify_reads_all_and_ends_with_1_where_something_is_amiss(ledger: Path) -> None:
    assert verify(ledger).is_whole
    good = CliRunner().invoke(fleet, ["verify", str(ledger)])
    assert (good.exit_code, "all is as it was written" in good.output) == (0, True)
    read_ledger(ledger).files[0].write_bytes(b"junk")
    bad = CliRunner().invoke(fleet, ["verify", str(ledger)])
    assert (bad.exit_code, "damaged or gone: records/day=" in bad.output) == (1, True)


def test_files_of_before_digests_are_read_instead(tmp_path: Path) -> None:
    ledger = shutil.copytree(GOLDEN / "ledger", tmp_path / "ledger")
    found = verify(ledger)
    assert found.is_whole
    assert found.without_digest == found.files
    path = read_ledger(ledger).files[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    path.write_bytes(content)
    assert [each.path for each in verify(ledger).damaged] == [path.relative_to(ledger).as_posix()]


def test_an_older_manifest_is_read_as_it_is_and_brought_up_by_who_writes(tmp_path: Path) -> None:
    ledger = shutil.copytree(GOLDEN / "ledger", tmp_path / "ledger")
    before = (ledger / "manifest.sqlite").read_bytes()
    account(ledger)
    assert (ledger / "manifest.sqlite").read_bytes() == before
    with Ledger(ledger) as opened:
        opened.write(random_rows(10, 0))
    assert verify(ledger).is_whole


def test_ledgers_are_summed_as_one_and_what_is_in_two_counts_once(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a", random_rows(300, 1)), written(tmp_path / "b", random_rows(200, 2))
    both = written(tmp_path / "both", random_rows(300, 1), random_rows(200, 2))
    alone, together = as_json(account(both)), as_json(account([one, other]))
    for name in ("exact", "by", "inferences", "devices", "counterfactuals"):
        assert together[name] == alone[name]
    copy = shutil.copytree(one, tmp_path / "copy")
    again = as_json(account([one, other, copy, one]))
    assert again["exact"] == alone["exact"]
    assert again["rows"]["repeated"] == 300
    assert any("Given more than once" in each for each in again["notices"])
    with pytest.raises(InvalidInput, match="'gs://b' is an address of object storage"):
        read_ledgers(["gs://b"])
