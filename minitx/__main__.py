"""`minitx` and `python -m minitx`."""

import sys

from minitx.devices.ctrl_c import ends_on_ctrl_c

with ends_on_ctrl_c():  # the imports take a second
    from minitx.cli.main import main


def start() -> None:
    """Run the command line and end the process with its status."""
    sys.exit(main())


if __name__ == "__main__":
    start()
