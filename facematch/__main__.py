"""``python -m facematch``: the command line."""

import sys

from facematch.cli import main

if __name__ == "__main__":
    sys.exit(main())
