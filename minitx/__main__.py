"""`minitx` and `python -m minitx`."""

import sys

from minitx.cli.main import main


def start() -> None:
    """Run the command line and end the process with its status."""
    sys.exit(main())


if __name__ == "__main__":
    start()
