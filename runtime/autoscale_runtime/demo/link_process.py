"""A shaped link in a process of its own: ``python -m autoscale_runtime.demo.link_process HOST:PORT``.

It names its address on the first line, takes new conditions as a line of JSON each on standard input, and says
``set`` once they hold; it ends with its input.
"""

import json
import sys

from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.shaped_link import ShapedLink


def main() -> None:
    """Run the link until standard input ends."""
    with ShapedLink(sys.argv[1], seed=0) as link:
        print(f"link {link.address}", flush=True)
        for line in sys.stdin:
            link.conditions = LinkConditions(**json.loads(line))
            print("set", flush=True)


if __name__ == "__main__":
    main()
