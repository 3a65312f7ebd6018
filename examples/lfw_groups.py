"""Turn LFW's lists of male and female names into the CSV that ``facematch evaluate differentials`` reads.

Run: ``python examples/lfw_groups.py lfw/ groups.csv``. Pictures that both lists name are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path


def groups(lfw: Path) -> list[tuple[str, str]]:
    """``(picture, group)`` of every picture that is there and in one list only."""
    there = {path.relative_to(lfw / "images").as_posix() for path in (lfw / "images").glob("*/*.jpg")}
    named = {
        group: {f"{name.rsplit('_', 1)[0]}/{name}" for name in (lfw / f"{group}_names.txt").read_text("utf-8").split()}
        for group in ("female", "male")
    }
    both = named["female"] & named["male"]
    return [(name, group) for group, names in named.items() for name in sorted((names & there) - both)]


if __name__ == "__main__":
    rows = groups(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text("image,group\n" + "".join(f"{name},{group}\n" for name, group in rows), "utf-8")
