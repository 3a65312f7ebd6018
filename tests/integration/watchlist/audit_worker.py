"""A process that appends to a log, run by path: the file, how many transactions (0: until it is killed)."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from tests.integration.watchlist.audit_support import Log


def main() -> None:
    log, count = Log(Path(sys.argv[1])), int(sys.argv[2])
    for number in range(count) if count else itertools.count():
        log.fill(7, number)
        if number == 0:
            sys.stdout.write("started\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
