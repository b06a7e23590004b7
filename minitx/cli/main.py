"""The command line as a whole: run the command, say what went wrong, return the exit status.

0: done. 2: the user's input was at fault, said in one line. 130: stopped by Ctrl-C, everything
saved. 1, with a traceback: a bug of ours.
"""

import os
import sys
import traceback
import warnings
from pathlib import Path

from minitx.cli.arguments import parse
from minitx.devices.ctrl_c import ends_on_ctrl_c
from minitx.errors import InputError, reason


def main() -> int:
    """Run the command that the process was started with; return the exit status."""
    try:
        with ends_on_ctrl_c():
            command = parse(sys.argv[1:])
            prepare_jax()
        command.run()
        if sys.stdout:  # None after `>&-`
            sys.stdout.flush()
        return 0
    except BrokenPipeError:  # the reader of our output has closed it, as in `minitx ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("minitx: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        message = in_words(error)
        if message is None:
            raise
        message = message.replace("\n", "\\n")  # a file's name may contain a line break
        print(f"minitx: error: {message}", file=sys.stderr)
        return 2


def in_words(error: Exception) -> str | None:
    """Return what went wrong and the cure, or None if the error is a bug of ours."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{reason(error)}: check the path and its disk"
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "this machine has too little memory for that: use a smaller model, batch or --dtype"
    if raised_in(error) == "xla_bridge.py":
        return (
            f"JAX found no device for JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS')}: unset it, "
            "or set it to cpu"
        )
    return None


def raised_in(error: Exception) -> str:
    """Return the name of the file whose code raised the error."""
    frames = traceback.extract_tb(error.__traceback__)
    return Path(frames[-1].filename).name if frames else ""


def prepare_jax() -> None:
    """Make JAX, which is imported later, keep compiled programs for the next start."""
    from minitx.text.corpus import cache_folder

    # JAX warns if the folder cannot be used; it then works without it.
    warnings.filterwarnings("ignore", message=".*[Pp]ersistent compilation cache.*")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
