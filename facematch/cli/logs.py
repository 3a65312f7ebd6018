"""The log that ``-v`` and ``-vv`` write to standard error, with what its lines carry beside their words."""

from __future__ import annotations

import logging
from typing import Final

from facematch.cli.output import shown

__all__ = ["start_logging"]

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""The attributes of every record; all others came with ``extra``."""

_LOGGERS: Final = ("facematch", "py.warnings")
"""Not what the libraries below try and give up while they load."""


class _Lines(logging.Formatter):
    """``LEVEL module: words name=value ...`` on one line that cannot steer the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        said = [f"{name}={value}" for name, value in vars(record).items() if name not in _OWN]
        return shown(" ".join([super().format(record), *said]))


def start_logging(verbosity: int) -> None:
    """Write the log to standard error from now on.

    Args:
        verbosity: 0: errors only; 1: what is done (INFO); 2 and more: with its steps (DEBUG).
    """
    logging.captureWarnings(True)  # what Pillow says about damaged metadata is for -v
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
    level = {0: logging.NOTSET, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(level)
