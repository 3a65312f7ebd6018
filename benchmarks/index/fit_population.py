"""Fit the published populations to LFW, and draw real and generated scores into one picture.

    PYTHONPATH=benchmarks python -m index.fit_population --lfw DIR --mbf-pack FOLDER --cache DIR

``DIR`` holds LFW's ``images``. Writes ``benchmarks/index/populations/*.json`` (moments over thousands of people, and
nothing of one of them) and ``docs/images/populations.png`` (histograms; no face). With ``--draw-only``, the picture
alone, from the populations as they are.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from facematch import FaceAnalyzer
from facematch.evaluation.cache import EmbeddingCache
from facematch.evaluation.pictures import embed_folder, read_folder
from index.fitting import Scores, fit, generated_scores, real_scores
from index.population import Population

ROOT = Path(__file__).parents[2]
MATED = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95)
NON_MATED = (0.5, 0.99, 0.999, 0.9999, 0.99999)
MODELS = {
    "sface-lfw": "SFace (pack opencv, Apache-2.0)",
    "mbf-lfw": "w600k_mbf, int8 (InsightFace buffalo_sc, non-commercial research)",
}
console = Console(soft_wrap=True)


def embeddings(pack: str, lfw: Path, cache: Path) -> tuple[Any, Any]:
    """Embeddings ``(N, D)`` and people ``(N,)`` of all pictures with a face."""
    analyzer = FaceAnalyzer.from_pack(pack, use="research")
    folder = read_folder(lfw / "images")
    found = embed_folder(analyzer, folder, cache=EmbeddingCache.open(analyzer, folder=cache))
    return found.embeddings[found.found], folder.people[found.found]


def draw(real: dict[str, Scores], made: dict[str, Scores], path: Path) -> None:
    """Histograms and upper tails, real beside generated."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, rows = plt.subplots(len(real), 2, figsize=(10, 3.4 * len(real)), layout="constrained", squeeze=False)
    bins = np.linspace(-0.4, 1.0, 141)
    middles = (bins[1:] + bins[:-1]) / 2
    for (histogram, tail), name in zip(rows, real, strict=True):
        for scores, what in ((real[name], "LFW"), (made[name], "generated")):
            for values, weights, color, kind in (
                (scores.non_mated, None, "#2f6fab", "non-mated"),
                (scores.mated, scores.weights, "#d9660b", "mated"),
            ):
                heights = np.histogram(values, bins, weights=weights, density=True)[0]
                label = f"{kind}, {what}"
                if what == "LFW":
                    histogram.fill_between(middles, heights, step="mid", color=color, label=label, lw=0, alpha=0.35)
                else:
                    histogram.step(middles, heights, where="mid", color=color, label=label, linewidth=1.2)
            above = 1 - np.arange(scores.non_mated.size) / scores.non_mated.size
            keep = np.unique((scores.non_mated.size * (1 - np.logspace(0, -6, 400))).astype(int))
            keep = keep[keep < scores.non_mated.size]
            width, alpha = (4, 0.35) if what == "LFW" else (1.2, 1)
            label = f"non-mated, {what}"
            tail.plot(scores.non_mated[keep], above[keep], color="#2f6fab", label=label, lw=width, alpha=alpha)
        histogram.set_title(name, loc="left")
        histogram.set_xlabel("cosine")
        histogram.set_ylabel("density")
        tail.set_yscale("log")
        tail.set_ylim(1e-6, 1)
        tail.set_xlim(0, 0.7)
        tail.set_xlabel("cosine")
        tail.set_ylabel("share of non-mated pairs above it")
        tail.grid(visible=True, color="#e6eaf0")
        tail.legend(frameon=False, fontsize=8)
        histogram.set_ylim(0, 1.35 * histogram.get_ylim()[1])
        histogram.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
        for axes in (histogram, tail):
            axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Fit, compare, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--mbf-pack", required=True, help="folder with w600k_mbf.onnx and det_500m.onnx")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the embeddings, outside this repository")
    parser.add_argument("--draw-only", action="store_true")
    options = parser.parse_args()
    real: dict[str, Scores] = {}
    made: dict[str, Scores] = {}
    for name, model in MODELS.items():
        pack = "opencv" if name == "sface-lfw" else options.mbf_pack
        vectors, people = embeddings(pack, options.lfw, options.cache)
        if not options.draw_only:
            source = f"LFW, {len(vectors):,} pictures of {len(np.unique(people)):,} people, {model}"
            population = fit(vectors, people, name=name, source=source, fitted=datetime.now(UTC).date().isoformat())
            path = ROOT / "benchmarks" / "index" / "populations" / f"{name}.json"
            path.write_text(json.dumps(population.to_document()) + "\n", "utf-8")
        population = Population.published(name)
        real[name] = real_scores(vectors, people)
        made[name] = generated_scores(population, 12_000, np.random.default_rng(2))
        console.print(f"{name}: spread {population.spread}, {population.kinds} kinds, likeness {population.likeness}")
        for what, scores in (("LFW", real[name]), ("generated", made[name])):
            console.print(f"  {what:9} mated {scores.mated_quantiles(MATED).round(4)}")
            console.print(f"  {what:9} non-mated {scores.non_mated_quantiles(NON_MATED).round(4)}")
    draw(real, made, ROOT / "docs" / "images" / "populations.png")


if __name__ == "__main__":
    main()
