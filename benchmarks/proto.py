"""Writes the wire code of ``proto/*.proto`` into the runtime; ``--check`` only says whether it is up to date.

Run from the root: ``python -m benchmarks.proto``. Needs grpcio-tools==1.80.0, whose code runs on protobuf 6 and 7.
"""

import argparse
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("autoscale_runtime/_proto")
COMMITTED = ROOT / "runtime" / PACKAGE


def generate(folder: Path) -> list[Path]:
    """Compile every .proto below ``folder`` as modules of the runtime's package; the files written."""
    from grpc_tools import protoc  # type: ignore[import-untyped]  # ships no types

    sources = sorted(each.name for each in (ROOT / "proto").glob("*.proto"))
    outputs = [f"--python_out={folder}", f"--grpc_python_out={folder}"]
    for plugin in ("mypy", "mypy_grpc"):
        program = Path(sysconfig.get_path("scripts"), f"protoc-gen-{plugin}")
        outputs += [f"--plugin=protoc-gen-{plugin}={program}", f"--{plugin}_out=quiet:{folder}"]
    # The virtual path makes the generated imports absolute, so that they work inside a package.
    paths = [f"-I{PACKAGE}={ROOT / 'proto'}", f"-I{Path(protoc.__file__).parent / '_proto'}"]
    if protoc.main(["protoc", *paths, *outputs, *(str(PACKAGE / name) for name in sources)]) != 0:
        sys.exit("protoc failed")
    return sorted(each for each in (folder / PACKAGE).iterdir() if each.is_file())


def drifted(written: list[Path]) -> list[str]:
    """Names of committed files that are missing, differ from what was just written, or have no source."""
    fresh = {each.name: each.read_bytes() for each in written}
    committed = {each.name: each.read_bytes() for each in COMMITTED.glob("*_pb2*")}
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proto", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if the committed code differs")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        written = generate(Path(folder))
        stale = drifted(written)
        for each in written if not check else []:
            (COMMITTED / each.name).write_bytes(each.read_bytes())
    if check and stale:
        sys.exit(f"stale: {', '.join(stale)}; run: make proto")
    print(f"{len(written)} files, {len(stale)} {'stale' if check else 'changed'}")


if __name__ == "__main__":
    main()
