"""The command line: one module a noun, each a thin layer over the public API."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; Ctrl-C counts from the first moment, while the modules are still being loaded.

    Args:
        arguments: Without the program's name; default: the process's own.

    Returns:
        The exit status, an :class:`~facematch.cli.output.ExitCode`.
    """
    try:
        from facematch.cli import app

        return app.main(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
