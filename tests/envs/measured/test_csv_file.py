"""The file of a measured table, read, refused and written."""

from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import InvalidInput
from autoscale.query.target import Target
from autoscale_envs.measured.csv_file import measured_text, read_measured, write_measured
from autoscale_envs.measured.table import MeasuredRun

HEAD = "device,network,target,latency_s,energy_j"
GOOD = f"""{HEAD},latency_p90_s,accuracy
board,net-a,device:cpu/int8#armnn,0.010,0.05,0.012,0.70
board,net-a,device:cpu/int8#armnn,0.012,0.07,,0.70
board,net-a,device:gpu/fp16,0.008,0.09,,
board,net-b,device:dsp/int8,0.020,0.02,,
other,net-a,cloud:gpu/fp32,0.030,0.01,,
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_rows_become_tables_by_device(tmp_path: Path) -> None:
    tables = read_measured(written(tmp_path, GOOD))
    assert [*tables] == ["board", "other"]
    board = tables["board"]
    assert board.networks == ("net-a", "net-b")
    assert [str(each) for each in board.targets] == ["device:cpu/int8#armnn", "device:gpu/fp16", "device:npu/int8"]
    np.testing.assert_allclose(board.latency_s, [[0.011, 0.008, np.nan], [np.nan, np.nan, 0.020]])
    np.testing.assert_allclose(board.energy_j, [[0.06, 0.09, np.nan], [np.nan, np.nan, 0.02]])
    assert board.accuracy[0].tolist() == pytest.approx([0.7, np.nan, np.nan], nan_ok=True)
    assert board.engines == ("armnn",)
    assert board.fastest_is_frugal == 0.5


def test_what_a_spreadsheet_makes_of_it_is_read_too(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode() + b"\r\n,,,,,,\r\n"
    assert [*read_measured(written(tmp_path, text))] == ["board", "other"]
    reordered = "energy_j,latency_s,target,notes,network,device\n0.1,0.2,device:cpu/fp32,warm,n,d\n"
    assert read_measured(written(tmp_path, reordered))["d"].energy_j.tolist() == [[0.1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"{HEAD}\nboard,net,device:cpu/fp32,1,5,2,5\n",
            "line 2: 7 values for 5 columns; allowed: one each",
        ),
        (HEAD.replace(",", ";") + "\n", "which commas should separate"),
        (f"{HEAD}\nboard,net,device:cpu/fp32,1_0,5\n", "'1_0' is out of range"),
        (f"{HEAD}\nboard,net,device:cpu/fp32,1,1e-320\n", "1e-15 or more"),
        (f'{HEAD}\nboard,"a\nb",device:cpu/fp32,1,5\n', "cannot be printed; allowed: a name in one line"),
    ],
)
def test_what_would_be_taken_for_other_figures_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_measured(written(tmp_path, text))
    assert message in str(caught.value)


def test_every_rows_error_is_named_with_line_and_column(tmp_path: Path) -> None:
    text = f"""{HEAD},accuracy
board,net,device:cpu/int8,0.01,0.05,0.7
board,net,device:cpu/int9,0.01,0.05,
board,net,device:cpu/int8,-1,zero,76.4
,net,device:cpu/int8,0.01,inf,
board,net,device:cpu/int8
"""
    with pytest.raises(InvalidInput) as caught:
        read_measured(written(tmp_path, text))
    message = str(caught.value)
    for part in (
        "line 3, column target: unknown precision 'int9'",
        "line 4, column latency_s: '-1' is out of range; allowed: seconds above 0",
        "line 4, column energy_j: 'zero' is out of range; allowed: joules above 0",
        "line 4, column accuracy: '76.4' is out of range; allowed: a fraction from 0 to 1",
        "line 5, column device: it is empty",
        "line 5, column energy_j: 'inf'",
        "line 6, column latency_s: it is empty",
    ):
        assert part in message
    assert "line 2" not in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column 'device', 'network'"),
        (HEAD, "holds a header alone"),
        (HEAD.replace("latency_s", "latency_ms"), "no column 'latency_s'"),
        (f"{HEAD},latency_p90_ms\n", "unknown column 'latency_p90_ms'; allowed, in these units: "),
        (f"{HEAD},acuracy\n", "unknown column 'acuracy'"),
        (f"{HEAD},energy_j\n", "the column 'energy_j' is there twice"),
        (HEAD.replace(",", ";"), "line 1: no column"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_what_is_no_table_is_said_to_be_none(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_measured(written(tmp_path, text))
    assert message in str(caught.value)


def test_a_long_list_of_errors_is_counted(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="and 80 more"):
        read_measured(written(tmp_path, f"{HEAD}\n" + "d,n,device:cpu/int8,0,1\n" * 100))


def test_writing_and_reading_are_inverses(tmp_path: Path) -> None:
    rows = [
        MeasuredRun("d", "n, the first", Target.parse("device:cpu/int8@2t#armnn"), 0.01, 0.05, 0.012, 0.7, 0.1, 0.2, 3),
        MeasuredRun("d", "m", Target.parse("device:gpu/fp32"), 0.02, 0.06),
    ]
    write_measured(rows, tmp_path / "t.csv")
    assert read_measured(tmp_path / "t.csv")["d"].rows == tuple(rows)
    assert measured_text(rows[1:]).splitlines()[0] == HEAD, "columns that nothing fills are left out"
