"""Measure the pipeline and write its part of ``docs/explanation/performance.md``.

    PYTHONPATH=benchmarks python -m pipeline.report [--research FOLDER [--detector FILE]] [--rounds 7]

Writes ``docs/results/pipeline.json``, from it ``docs/results/pipeline-*.md`` and ``docs/images/pipeline.png``. With
``--draw`` nothing is measured: tables and picture are written from what is there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from caution import caution
from rich.console import Console

from pipeline.measure import WORKLOADS, measure_pipeline

DOCS = Path(__file__).parents[2] / "docs"
NAMES = {
    "one": "1 picture of 1",
    "six": "1 picture of 6",
    "thirty": "1 picture of 30",
    "singles8": "8 pictures of 1",
    "singles64": "64 pictures of 1",
}
COLORS = ("#d9660b", "#f0a35c", "#b3261e")
PEER_COLOR = "#2f6fab"
console = Console(soft_wrap=True)


def with_detector(research: Path, detector: Path, folder: Path) -> Path:
    """A folder in InsightFace's layout with another folder's embedder and a detector of its own."""
    made = folder / detector.stem
    made.mkdir()
    (made / f"det_{detector.name}").symlink_to(detector.resolve())
    for path in research.glob("*.onnx"):
        if not path.name.startswith(("det_", "scrfd_")):
            (made / path.name).symlink_to(path.resolve())
    return made


def measured(research: Path | None, another: Path | None, rounds: int) -> list[dict[str, Any]]:
    """Every configuration, one after the other."""
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("ONNX Runtime", {}),
        ("OpenVINO", {"runtime": "openvino"}),
        ("OpenVINO, bfloat16", {"runtime": "openvino", "precision": "bfloat16"}),
    ]
    if research is not None:
        wanted.append(("ONNX Runtime", {"name_or_folder": research, "use": "research"}))
        openvino = {"name_or_folder": research, "use": "research", "runtime": "openvino"}
        wanted += [("OpenVINO", openvino), ("OpenVINO, bfloat16", {**openvino, "precision": "bfloat16"})]
    if another is not None:
        wanted.append(("ONNX Runtime", {"name_or_folder": another, "use": "research"}))
    found = []
    for label, options in wanted:
        console.print(f"{options.get('name_or_folder', 'opencv')} on {label} ...", markup=False)
        found.append({"label": label, **measure_pipeline(rounds=rounds, **options).to_dict()})
    return found


def times_table(figures: list[dict[str, Any]]) -> str:
    """Times, rates and ratios."""
    columns = ["models", "facematch on", "pictures", "facematch", "faces/s", "the other library", "times faster"]
    columns += ["on one thread each", "2 threads beside 1"]
    lines = [f"| {' | '.join(columns)} |", "|---|---|---|--:|--:|--:|--:|--:|--:|"]
    for item in figures:
        for name in WORKLOADS:
            each = item["workloads"][name]
            lines.append(
                f"| {item['pack']} | {item['label']} | {NAMES[name]} | {each['median_ms']:.1f} ms "
                f"| {each['faces_per_second']:.0f} | {item['peer']} {each['peer_ms']:.1f} ms "
                f"| {each['ratio_vs_peer']:.2f} | {each['ratio_vs_peer_single_thread']:.2f} "
                f"| {each['thread_scaling']:.2f} |"
            )
    return "\n".join(lines) + "\n"


def shares_table(figures: list[dict[str, Any]]) -> str:
    """Where the time of the picture of six goes, and how near the embedder is to what the processor can do."""
    columns = ["models", "facematch on", "detector", "around it", "alignment", "embedder", "around it"]
    columns += ["all but the models", "embedder, 1 thread", "product, 1 thread", "share"]
    lines = [f"| {' | '.join(columns)} |", "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for item in figures:
        parts = ("detector", "around_detection", "alignment", "embedder", "around_embedding")
        shares = " | ".join(f"{100 * item['share'][part]:.1f} %" for part in parts)
        lines.append(
            f"| {item['pack']} | {item['label']} | {shares} | {100 * item['overhead_share']:.1f} % "
            f"| {item['embedder_gflops']:.0f} GFLOP/s | {item['product_gflops']:.0f} GFLOP/s "
            f"| {100 * item['embedder_share_of_product']:.0f} % |"
        )
    first = figures[0]
    machine = first["machine"]
    busy = first["load_before"]  # before anything of ours ran
    note = caution(busy)
    measured_on = (
        f"Measured on {first['measured_at'][:10]} on {machine['cpu']}, {first['threads']} threads, "
        f"{first['workloads']['six']['turns']} turns; at most {figures[-1]['peak_bytes'] / 1e6:,.0f} MB in use, "
        f"the models of all libraries together.{note}"
    )
    return "\n".join([*lines, "", measured_on]) + "\n"


def picture(figures: list[dict[str, Any]], path: Path) -> None:
    """Faces a second, by model pack and workload."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    packs = list(dict.fromkeys(item["pack"] for item in figures))
    figure, panels = plt.subplots(1, len(packs), figsize=(11, 5.4), layout="constrained", squeeze=False)
    for axes, pack in zip(panels[0], packs, strict=True):
        own = [item for item in figures if item["pack"] == pack]
        sides = [(f"facematch, {item['label']}", item, "faces_per_second", COLORS[at]) for at, item in enumerate(own)]
        sides.append((own[0]["peer"], own[0], "peer_faces_per_second", PEER_COLOR))
        high = 0.8 / len(sides)
        for at, (label, item, key, color) in enumerate(sides):
            places = [row + at * high for row in range(len(WORKLOADS))]
            rates = [item["workloads"][name][key] for name in WORKLOADS]
            bars = axes.barh(places, rates, height=high, color=color, label=label)
            axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=7)
        axes.set_yticks([row + 0.4 - high / 2 for row in range(len(WORKLOADS))], [NAMES[name] for name in WORKLOADS])
        axes.invert_yaxis()
        axes.set_xlabel("faces a second")
        axes.set_title(pack, loc="left")
        axes.margins(x=0.12)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.14))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--research", type=Path, help="a folder in InsightFace's layout, measured beside insightface")
    parser.add_argument("--detector", type=Path, help="a SCRFD file, measured with the embedder of --research")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if options.detector and not options.research:
        parser.error("--detector needs --research, whose embedder it is measured with")
    path = DOCS / "results" / "pipeline.json"
    if not options.draw:
        with TemporaryDirectory(prefix="facematch-") as folder:
            own = options.detector
            another = with_detector(options.research, own, Path(folder)) if own else None
            document = measured(options.research, another, options.rounds)
        path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", "utf-8")
    figures = json.loads(path.read_text("utf-8"))
    (DOCS / "results" / "pipeline-times.md").write_text(times_table(figures), "utf-8")
    (DOCS / "results" / "pipeline-shares.md").write_text(shares_table(figures), "utf-8")
    picture(figures, DOCS / "images" / "pipeline.png")


if __name__ == "__main__":
    main()
