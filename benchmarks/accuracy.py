"""Make the accuracy tables of the docs: every pack on LFW beside its published figure, and the open set.

    python benchmarks/accuracy.py --lfw DIR --pack opencv --pack retail-0095 … --out docs/results

``DIR`` holds LFW's ``images`` and ``pairs.txt``. ``PACK@OTHER`` is the embedder of one pack behind the
detector of another. Writes ``accuracy.json`` and, from it, ``accuracy.md``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from facematch import FaceAnalyzer
from facematch.evaluation.cache import EmbeddingCache
from facematch.evaluation.lfw import evaluate_lfw
from facematch.evaluation.openset import evaluate_openset
from facematch.matching import SubjectRule

PUBLISHED = {  # LFW accuracy in percent, and where it was published
    "opencv": "99.40 (OpenCV Zoo)",
    "retail-0095": "99.47 (Open Model Zoo)",
    "edgeface-xs": "99.73 (EdgeFace, 2023)",
    "sc-int8": "99.70 (InsightFace, the float32 original)",
    "sc-int8, detector of opencv": "99.70 (InsightFace, the float32 original)",
}
GALLERIES = [(1000, 1), (700, 2), (150, 1), (150, 3), (150, 5)]
RULES = ("max", "mean_template")
console = Console()


def measure(pack: str, lfw: Path, *, flip: bool = False) -> dict[str, Any]:
    """All figures of one pack; ``PACK@OTHER`` takes the embedder of one and the detector of the other."""
    first, _, second = pack.partition("@")
    analyzer = FaceAnalyzer.from_pack(first, use="research", flip=flip)
    if second:
        analyzer = FaceAnalyzer(FaceAnalyzer.from_pack(second, use="research").detector, analyzer.embedder)
    cache = EmbeddingCache.open(analyzer)
    name = Path(first).name + (f", detector of {second}" if second else "") + (" with flip" if flip else "")
    verification = evaluate_lfw(analyzer, lfw / "images", lfw / "pairs.txt", cache=cache)
    figures: dict[str, Any] = {
        "pack": name,
        "published": PUBLISHED.get(name),
        "contract": analyzer.contract.digest,
        "lfw": {"accuracy": verification.accuracy, "std": verification.std},
        "openset": [],
    }
    for size, templates in GALLERIES:
        for rule in RULES[: 1 if templates == 1 else None]:
            result = evaluate_openset(
                analyzer,
                lfw / "images",
                gallery_size=size,
                templates=templates,
                rule=SubjectRule.parse(rule),
                cache=cache,
            ).to_dict()
            kept = ("gallery_size", "templates", "rule", "dir_at_fpir", "thresholds", "n_mated", "n_nonmated", "draws")
            figures["openset"].append({key: result[key] for key in kept})
    return figures


def tables(figures: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = ["| pack | LFW accuracy, measured | published |", "|---|---|---|"]
    for item in figures:
        accuracy = f"{item['lfw']['accuracy'] * 100:.2f} % ± {item['lfw']['std'] * 100:.2f}"
        lines.append(f"| `{item['pack']}` | {accuracy} | {item['published'] or ''} |")
    lines += ["", "| pack | subjects | templates | rule | DIR at FPIR 1 % | 95 % interval | threshold |"]
    lines.append("|---|---|---|---|---|---|---|")
    for number, item in enumerate(figures):
        # templates and rules for the first pack; one gallery suffices to compare the others
        for run in item["openset"] if number == 0 else item["openset"][:1]:
            at = run["dir_at_fpir"]["0.01"]
            rule = "" if run["templates"] == 1 else run["rule"]
            low, high = (f"{value * 100:.1f}" for value in at["ci95"])
            lines.append(
                f"| `{item['pack']}` | {run['gallery_size']} | {run['templates']} | {rule} "
                f"| {at['dir'] * 100:.2f} % | {low} to {high} | {run['thresholds']['0.01']:.3f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--pack", action="append", required=True)
    parser.add_argument("--flip", action="append", default=[], help="a pack to measure with flip averaging, too")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    options = parser.parse_args()
    figures = []
    for pack, flip in [*((pack, False) for pack in options.pack), *((pack, True) for pack in options.flip)]:
        console.print(f"measuring {pack}{' with flip' if flip else ''} ...")
        figures.append(measure(pack, options.lfw, flip=flip))
    (options.out / "accuracy.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    (options.out / "accuracy.md").write_text(tables(figures), "utf-8")


if __name__ == "__main__":
    main()
