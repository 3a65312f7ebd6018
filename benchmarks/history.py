"""What `make bench` measured over time on this machine, as a picture and a table.

    python benchmarks/history.py [--storage .benchmarks] [--out build/bench-history.png] [--fall 0.15]

Only ratios are compared, such as "times faster than": both sides of one were measured in turn, so that it says the
same on a busy day. A benchmark whose ratio fell by more than ``--fall`` against the median of the runs before is named,
and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(soft_wrap=True)
ROUNDED = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the benchmarks.

    Attributes:
        when: When it was made, ISO 8601.
        commit: The commit, and whether anything was changed since.
        ratios: Ratios by benchmark; a larger one is better.
    """

    when: str
    commit: str
    ratios: dict[str, float]


def read(storage: Path) -> list[Run]:
    """The runs that pytest-benchmark has saved, oldest first; files that are none of its own are left out."""
    runs = []
    for path in storage.rglob("*.json"):
        try:
            document = json.loads(path.read_text("utf-8"))
            commit = document["commit_info"]
            name = commit["id"][:8] + ("+" if commit["dirty"] else "")
            ratios = {key: value for bench in document["benchmarks"] for key, value in _ratios(bench)}
            runs.append(Run(document["datetime"], name, ratios))
        except (OSError, ValueError, KeyError, TypeError) as error:
            console.print(f"{path} is left out: {error!r}", markup=False)
    return sorted(runs, key=lambda run: run.when)


def _ratios(bench: dict[str, Any]) -> list[tuple[str, float]]:
    """What says how many times faster; what says how many times slower is turned round."""
    found = []
    for key, value in bench["extra_info"].items():
        if not key.startswith("times_") or not isinstance(value, int | float) or value <= 0:
            continue
        worse = key.startswith(("times_longer", "times_slower"))
        found.append((f"{bench['name']} {key.removeprefix('times_')}", 1 / value if worse else float(value)))
    return found


def fallen(runs: list[Run], fall: float) -> dict[str, tuple[float, float]]:
    """Benchmarks whose latest ratio is so much lower than the median of those before: that median, and the ratio."""
    latest = runs[-1].ratios
    out = {}
    for name, ratio in latest.items():
        before = [run.ratios[name] for run in runs[:-1] if name in run.ratios]
        if before and ratio < (1 - fall) * statistics.median(before):
            out[name] = (statistics.median(before), ratio)
    return out


def draw(runs: list[Run], path: Path) -> None:
    """Every benchmark's ratio over the runs, against the first one's."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = sorted({name for run in runs for name in run.ratios})
    figure, axes = plt.subplots(figsize=(11, 1.5 + 0.28 * len(names)), layout="constrained")
    for number, name in enumerate(names):
        points = [(at, run.ratios[name]) for at, run in enumerate(runs) if name in run.ratios]
        places, values = zip(*points, strict=True)
        axes.plot(
            places,
            [value / values[0] for value in values],
            marker="o",
            markersize=4,
            linewidth=1.3,
            color=plt.get_cmap("tab20")(number % 20),
            label=name,
        )
    axes.axhline(1, color="#999999", linewidth=0.8)
    axes.set_xticks(range(len(runs)), [f"{run.commit}\n{run.when[:10]}" for run in runs], fontsize=7)
    axes.set_ylabel("ratio, against the first run")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> int:
    """Read, draw, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", type=Path, default=Path(".benchmarks"))
    parser.add_argument("--out", type=Path, default=Path("build/bench-history.png"))
    parser.add_argument("--fall", type=float, default=0.15)
    options = parser.parse_args()
    runs = read(options.storage)
    if not runs or not runs[-1].ratios:
        console.print("there is no run to compare: make bench saves one")
        return 2
    draw(runs, options.out)
    low = fallen(runs, options.fall)
    table = Table(title=f"{len(runs)} runs; the latest of {runs[-1].commit}", title_justify="left")
    for column in ("benchmark", "before (median)", "latest", ""):
        table.add_column(column)
    for name, ratio in sorted(runs[-1].ratios.items()):
        before = [run.ratios[name] for run in runs[:-1] if name in run.ratios]
        middle = f"{statistics.median(before):.{ROUNDED}g}" if before else ""
        table.add_row(name, middle, f"{ratio:.{ROUNDED}g}", "[bold red]fell[/]" if name in low else "")
    console.print(table)
    console.print(str(options.out), markup=False)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
