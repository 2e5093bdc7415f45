"""``python -m autoscale``: the command line."""

from autoscale.cli import main

if __name__ == "__main__":
    main()
