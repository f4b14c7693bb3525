"""The command `webdyno`, also as `python -m harness`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; too old a Python gets a sentence in place of a traceback."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the very case that the sentence is for
        sys.exit("webdyno needs Python 3.11 or newer; this is " + sys.version.split()[0])
    try:
        from harness.cli.main import run_command_line

        sys.exit(run_command_line())
    except KeyboardInterrupt:  # while the modules were loaded: nothing had begun
        sys.stderr.write("webdyno: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
