"""Follows one page as its reader would: ``python docs_page.py PAGE``, in the folder where it shall happen.

In the page's order, a block with a ``title`` is written to the file of that name, Python runs in one namespace, and the
lines of a ``console`` block that begin with ``$`` run as commands (one that ends with ``&`` until the page does). A
``pyproject.toml`` plugs in the entry points that it names; a ``diff`` changes the file of its title, in a copy of the
project. ``<!-- not run: why -->`` before a block leaves it out; what its ``autoscale`` commands are called and take is
looked up all the same. Ports are exchanged for free ones.
"""

import importlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORTS = ("8001", "9001")
PROGRAMS = {"python": [sys.executable], "autoscale": [sys.executable, "-m", "autoscale"]}
ROOTS = [str(Path(each).resolve()) for each in (".", "runtime", "envs")]
"""Where a page finds its own modules, and where it changes a copy of the project, that."""

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n+)?"
    r"```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block; ``line`` is that of its first line of code, ``why`` the reason it does not run."""

    language: str
    title: str | None
    code: str
    line: int
    why: str | None

    def commands(self) -> list[str]:
        """The commands of a console block, continued lines joined."""
        joined = self.code.replace("\\\n", " ")
        return [line[2:].split("  #")[0].strip() for line in joined.splitlines() if line.startswith("$ ")]


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page that have a language."""
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("code"))
        yield Block(found["language"], found["title"], found["code"], line, found["why"])


class Reader:
    """Who follows the page; ``close`` ends what still runs."""

    def __init__(self, page: Path) -> None:
        self.page = page
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.running: list[subprocess.Popen[str]] = []
        paths = os.pathsep.join([*ROOTS, os.environ.get("PYTHONPATH", "")])
        self.environment = {**os.environ, "PYTHONPATH": paths, "NO_COLOR": "1", "COLUMNS": "120"}

    def follow(self, block: Block) -> None:
        """Do what the block says."""
        if block.title is not None and block.language == "diff":
            self.change(Path(block.title), block.code)
        elif block.title is not None:
            self.write(block.title, block.code)
        elif block.language == "python" and block.why is None:
            code = compile("\n" * block.line + block.code, str(self.page), "exec", dont_inherit=True)
            exec(code, self.names)
        elif block.language == "console":
            for command in block.commands():
                self.command(command, block)

    def write(self, title: str, content: str) -> None:
        """Make a file; a ``pyproject.toml`` is installed, as ``pip install -e .`` would."""
        path = Path(title)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        if title == "pyproject.toml":
            project = tomllib.loads(content)["project"]
            folder = Path(f"{project['name'].replace('-', '_')}-{project.get('version', '0')}.dist-info")
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
            points = [
                f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
                for group, entries in project["entry-points"].items()
            ]
            (folder / "entry_points.txt").write_text("\n".join(points))
        importlib.invalidate_caches()

    def change(self, path: Path, diff: str) -> None:
        """Exchange lines of a file; ``@@`` stands between places, and what surrounds each must be there just once."""
        text = path.read_text()
        for hunk in diff.split("@@\n"):
            lines = hunk.splitlines(keepends=True)
            old, new = ("".join(line[1:] for line in lines if line[:1] != sign) for sign in "+-")
            if text.count(old) != 1:
                raise SystemExit(f"{self.page}: {path} has {text.count(old)} times, not once:\n{old}")
            text = text.replace(old, new)
        path.write_text(text)

    def command(self, command: str, block: Block) -> None:
        """Run one command, or where the block does not run, look up what it is called and takes."""
        what = f"{self.page}:{block.line}: $ {command}"
        program, *arguments = shlex.split(command.removesuffix("&"))
        words = [*PROGRAMS.get(program, []), *arguments]
        if block.why is not None:
            if program == "autoscale":
                self.run([*words, "--help"], what, quiet=True)
        elif program not in PROGRAMS:
            raise SystemExit(f"{what}: only autoscale and python are run; say why not before the block")
        elif command.endswith("&"):
            self.start(words, what)
        else:
            self.run(words, what)

    def run(self, words: list[str], what: str, *, quiet: bool = False) -> None:
        """Run to its end, which must be a good one."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise SystemExit(f"{what}\n{done.stdout}{done.stderr}")
        if not quiet:
            print(what, done.stdout, sep="\n")

    def start(self, words: list[str], what: str) -> None:
        """Run in the background; it is ready when it says its address."""
        process = subprocess.Popen(words, env=self.environment, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.running.append(process)
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if re.search(r"(127\.0\.0\.1|localhost):\d+", line):
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return
        raise SystemExit(f"{what}\nended before it was ready: {printed}")

    def close(self) -> None:
        """End what runs in the background, as Ctrl-C would."""
        for process in self.running:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def free_ports(text: str) -> str:
    """The page with its ports exchanged for free ones."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            text = re.sub(rf"(?<![\d.]){port}(?![\d.])", str(probe.getsockname()[1]), text)
    return text


def main() -> None:
    """Follow the page named on the command line."""
    page = Path(sys.argv[1])
    sys.path[:1] = ROOTS
    reader = Reader(page)
    try:
        for block in blocks(free_ports(page.read_text())):
            reader.follow(block)
    finally:
        reader.close()


if __name__ == "__main__":
    main()
