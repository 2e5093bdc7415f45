"""A server and who asks it, in a network that has loopback alone.

``python -m benchmarks.interop.alone SERVER... -- ASK...``, run by ``unshare -Urn``.
"""

import subprocess
import sys

from benchmarks.interop.starting import started


def main() -> None:
    """Bring loopback up, start the server, ask; the exit code is that of who asked."""
    cut = sys.argv.index("--")
    server, ask = sys.argv[1:cut], sys.argv[cut + 1 :]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with started(server):
        done = subprocess.run(ask, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
