"""The pictures of ``docs/explanation/performance.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

COLORS = {
    "facematch exact": "#d9660b",
    "facematch approximate": "#b3261e",
    "facematch pq": "#b3261e",
    "FAISS IndexFlatIP": "#2f6fab",
    "FAISS IndexHNSWFlat": "#6fb1ee",
    "NumPy argpartition": "#8893a3",
    "hnswlib": "#3c8d5a",
    "USearch": "#7b5ea7",
    "USearch exact": "#b9a3d6",
    "deepface find": "#3b4351",
}
GRID = "#e6eaf0"


def time_picture(figures: list[dict[str, Any]], path: Path) -> None:
    """Time of a search by size of the gallery, one picture a dimension and number of probes."""
    plt = _pyplot()
    dimensions = sorted({item["dimension"] for item in figures})
    batches = (1, 256)
    figure, rows = plt.subplots(
        len(dimensions), len(batches), figsize=(10, 3.6 * len(dimensions)), layout="constrained", squeeze=False
    )
    for row, dimension in zip(rows, dimensions, strict=True):
        items = sorted((item for item in figures if item["dimension"] == dimension), key=lambda item: int(item["size"]))
        for axes, batch in zip(row, batches, strict=True):
            sizes = [item["size"] for item in items]
            coded = [item for item in items if "approximate" in item]
            theirs = [item["faiss_flat_ms"][str(batch)] for item in items]
            axes.plot(sizes, theirs, "o-", color=COLORS["FAISS IndexFlatIP"], label="FAISS IndexFlatIP")
            product = [item["gemm_ms"][str(batch)] for item in items]
            axes.plot(sizes, product, "s:", color=COLORS["NumPy argpartition"], label="matrix product alone")
            ours = [item[f"median_ms_batch{batch}"] for item in items]
            axes.plot(sizes, ours, "o-", color=COLORS["facematch exact"], label="facematch exact")
            axes.plot(
                [item["size"] for item in coded],
                [item["approximate"][f"median_ms_batch{batch}"] for item in coded],
                "D--",
                color=COLORS["facematch approximate"],
                label="facematch approximate",
            )
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xticks(sizes, [f"{size // 1000:,}k" for size in sizes])
            axes.minorticks_off()
            low, high = axes.get_ylim()
            axes.set_ylim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))
            axes.set_xlabel("templates")
            axes.set_ylabel("ms a search")
            axes.set_title(f"length {dimension}, {batch} probe{'s' if batch > 1 else ''} a search", loc="left")
            _finish(axes)
    rows[0][0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def frontier_picture(frontier: dict[str, Any], path: Path) -> None:
    """Time of a search of one probe by recall; what is lower and further right is better."""
    plt = _pyplot()
    none = 1 / (2 * frontier["probes"])  # a logarithmic axis has no place for 0
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharey=True)
    for axes, key, title in (
        (panels[0], "recall_at_1_mated", "the right person first, of mated probes"),
        (panels[1], "recall_at_10", "of the ten best, of all probes"),
    ):
        for item in frontier["libraries"]:
            losses = [max(1 - point[key], none) for point in item["points"]]
            times = [point["ms_batch1"] for point in item["points"]]
            color = COLORS[item["name"]]
            style = "*" if item["exact"] else "o-"
            axes.plot(losses, times, style, color=color, label=item["name"], ms=11 if item["exact"] else 4)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(1, none / 2)
        ticks = [tick for tick in (1.0, 0.1, 0.01, 0.001, 0.0001) if tick > 1.5 * none]
        axes.set_xticks([*ticks, none], [*(f"{100 * tick:g} %" for tick in ticks), "none"])
        axes.set_xlabel(f"share that is missed: {title}")
        _finish(axes)
    panels[0].set_ylabel("ms a search of one probe")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    size, length = frontier["size"], frontier["dimension"]
    figure.suptitle(f"{size:,} templates of length {length}; stars compare with everything", x=0.01, ha="left")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _finish(axes: Any) -> None:
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt
