"""Every example runs as its first lines say, without a warning, and says what it is there to say."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SAYS = {
    "on_device": ["same answer: True", "(on_device)", "(measured)", "(modelled)", "went on as corrector"],
    "offload": [
        "cloud:cpu/fp32: answered",
        "cloud:cpu/fp32: TargetUnavailable, device:cpu/fp32@",
        "server back",
    ],
    "fleet": ["uploaded 200 records, 0 rejected", "200 inferences", "asked in FRA, answered by device:cpu/fp32@"],
    "own_agent": ["keeps every promise", "after 200 queries: device:cpu/fp32@"],
}


def test_every_example_is_here() -> None:
    assert {each.stem for each in EXAMPLES.glob("*.py")} == {*SAYS, "small_network"}


@pytest.mark.parametrize("name", SAYS)
def test_it_runs(name: str, tmp_path: Path) -> None:
    path = EXAMPLES / f"{name}.py"
    assert f"python examples/{name}.py" in path.read_text()
    command = [sys.executable, "-W", "error", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    for words in SAYS[name]:
        assert words in ran.stdout
    assert list(tmp_path.iterdir()) == []
