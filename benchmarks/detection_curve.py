"""Recall against milliseconds: what looking closer costs, and what it finds.

    python benchmarks/detection_curve.py --images WIDER/images --truth WIDER/bbx_gt.txt [--pack opencv] [--pack FOLDER]

For each pack and each smallest face wanted: recall by height of the face, false positives a picture, and the time a
picture takes. All settings look at a picture before the next one is read, so that a busy moment meets them alike.
Writes ``docs/results/detection-curve.json``, from it ``detection-curve.md`` and ``docs/images/detection-curve.png``;
with ``--draw`` nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from caution import caution
from machine import load, machine_facts
from rich.progress import track

from facematch.evaluation.detection import match_detections, read_wider
from facematch.faces import FaceAnalyzer
from facematch.imaging import decode_pixels
from facematch.parallel import usable_cpus

DOCS = Path(__file__).parents[1] / "docs"
SMALLEST = (10, 14, 20, 28, 40, 56, 80, 112, 160)
CLASSES = ((20, 32), (32, 56), (56, 112), (112, 10_000))
COLORS = ("#8fb8de", "#2f6fab", "#f0a35c", "#b3261e")
TURNS = 3


@dataclass
class Setting:
    """A way to look, and what it found."""

    pack: str
    smallest_face: float | None
    analyzer: FaceAnalyzer
    milliseconds: list[float] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    false: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Recall by height, false positives and time."""
        heights, found = np.array(self.heights), np.array(self.found)
        recall = {str(low): float(found[(heights >= low) & (heights < high)].mean()) for low, high in CLASSES}
        return {
            "pack": self.pack,
            "smallest_face": self.smallest_face,
            "median_ms": statistics.median(self.milliseconds),
            "recall": recall,
            "recall_all": float(found.mean()),
            "false_positives_per_image": self.false / len(self.milliseconds),
        }


def measured(packs: Sequence[str], images: Path, truth: Path) -> dict[str, Any]:
    """Every setting on every picture."""
    busy = load()
    settings: list[Setting] = []
    for pack in packs:
        usual = FaceAnalyzer.from_pack(pack, use="research")
        assert usual.pack is not None
        name = f"{usual.pack.manifest.name} {usual.pack.manifest.version}"
        settings.append(Setting(name, None, usual))
        settings += [
            Setting(name, smallest, FaceAnalyzer.from_pack(pack, use="research", smallest_face=smallest))
            for smallest in SMALLEST
        ]
    faces = read_wider(truth)
    for path, true in track(faces.items(), description="detecting"):
        picture = decode_pixels(images / path)
        for setting in settings:
            times = []
            for _ in range(TURNS):
                began = time.perf_counter()
                (detected,) = setting.analyzer.detect([picture])
                times.append(1000 * (time.perf_counter() - began))
            boxes = np.array([face.box.as_tuple() for face in detected]).reshape(-1, 4)
            scores = np.array([face.detection_score for face in detected])
            verdicts, found_at = match_detections(boxes, scores, true)
            counts = ~true.ignored
            setting.milliseconds.append(statistics.median(times))
            setting.heights += (true.boxes[:, 3] - true.boxes[:, 1])[counts].tolist()
            setting.found += np.isfinite(found_at[counts]).tolist()
            setting.false += int(np.count_nonzero(verdicts == 0))
    heights = np.array(settings[0].heights)
    return {
        "settings": [setting.to_dict() for setting in settings],
        "pictures": len(faces),
        "faces": {str(low): int(((heights >= low) & (heights < high)).sum()) for low, high in CLASSES},
        "threads": usable_cpus(),
        "load_before": busy,
        "machine": machine_facts(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _class(low: int, high: int) -> str:
    return f"{low} px and higher" if high > 1000 else f"{low} to {high} px"


def table(document: dict[str, Any]) -> str:
    """All settings."""
    names = [_class(low, high) for low, high in CLASSES]
    lines = [f"| models | smallest face | a picture | {' | '.join(names)} | false a picture |"]
    lines.append("|---|--:|--:|" + "--:|" * (len(names) + 1))
    for item in document["settings"]:
        wanted = "default" if item["smallest_face"] is None else f"{item['smallest_face']:g} px"
        recall = " | ".join(f"{100 * item['recall'][str(low)]:.1f} %" for low, _ in CLASSES)
        lines.append(
            f"| {item['pack']} | {wanted} | {item['median_ms']:.1f} ms | {recall} "
            f"| {item['false_positives_per_image']:.2f} |"
        )
    counts = ", ".join(f"{document['faces'][str(low)]} of {_class(low, high)}" for low, high in CLASSES)
    busy = document["load_before"]
    note = caution(busy, "the times are")
    said = (
        f"{document['pictures']} pictures of WIDER FACE's validation set, 1,024 pixels wide; faces: {counts}. Measured "
        f"on {document['measured_at'][:10]} on {document['machine']['cpu']}, {document['threads']} threads.{note}"
    )
    return "\n".join([*lines, "", said]) + "\n"


def draw(document: dict[str, Any], path: Path) -> None:
    """Recall over time, a panel a pack and a line a class of heights."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    packs = list(dict.fromkeys(item["pack"] for item in document["settings"]))
    figure, panels = plt.subplots(
        1, len(packs), figsize=(5.5 * len(packs), 4.6), layout="constrained", squeeze=False, sharey=True
    )
    for axes, pack in zip(panels[0], packs, strict=True):
        own = [item for item in document["settings"] if item["pack"] == pack and item["smallest_face"] is not None]
        usual = next(item for item in document["settings"] if item["pack"] == pack and item["smallest_face"] is None)
        for (low, high), color in zip(CLASSES, COLORS, strict=True):
            points = [(item["median_ms"], 100 * item["recall"][str(low)]) for item in own]
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=color, label=_class(low, high))
            axes.plot(
                usual["median_ms"],
                100 * usual["recall"][str(low)],
                marker="D",
                markersize=7,
                color=color,
                markerfacecolor="none",
                linestyle="none",
            )
        top = [(item["median_ms"], 100 * item["recall"][str(CLASSES[-1][0])], item["smallest_face"]) for item in own]
        for x, y, smallest in top:
            axes.annotate(f"{smallest:g}", (x, y), textcoords="offset points", xytext=(0, 6), ha="center", fontsize=7)
        axes.set_xscale("log")
        axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
        axes.minorticks_off()
        axes.set_xlabel("milliseconds a picture")
        axes.set_title(pack, loc="left")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(-3, 106)
    panels[0][0].set_ylabel("faces found, %")
    panels[0][-1].legend(frameon=False, fontsize=8, loc="lower right", title="height of the face")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--pack", action="append", default=[])
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    options = parser.parse_args()
    path = DOCS / "results" / "detection-curve.json"
    if not options.draw:
        document = measured(options.pack or ["opencv"], options.images, options.truth)
        path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", "utf-8")
    document = json.loads(path.read_text("utf-8"))
    (DOCS / "results" / "detection-curve.md").write_text(table(document), "utf-8")
    draw(document, DOCS / "images" / "detection-curve.png")


if __name__ == "__main__":
    main()
