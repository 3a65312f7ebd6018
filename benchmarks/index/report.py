"""Measure search and write the tables and pictures of ``docs/explanation/performance.md``.

    PYTHONPATH=benchmarks python -m index.report [--sizes 10000 1000000] [--dims 128 512] [--frontier-size 100000]
                                                 [--parts search frontier]

Writes ``docs/results/performance.json``, from it ``docs/results/performance-*.md`` and ``docs/images/search-*.png``.
Libraries that are not installed are left out and named. ``--parts`` measures some of it and keeps the rest of the JSON;
without a part, tables and pictures are written from what is there.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from caution import caution as provisional
from machine import load, machine_facts
from rich.console import Console
from timing import interleaved

from facematch.index.approximate import ApproximateIndex
from facematch.types import FloatArray
from index.contenders import PEERS, Built, Maker, faiss_flat, installed, ours_coded, ours_exact
from index.measure import measure
from index.pictures import frontier_picture, time_picture
from index.population import Population
from index.trial import fill, prepare

DOCS = Path(__file__).parents[2] / "docs"
POPULATIONS = {128: "sface-lfw", 512: "mbf-lfw"}
K = 10
PROBES = 1000
FEW = 20
"""Probes for a search that takes a second each."""
APPROXIMATE_FROM = 100_000
console = Console(soft_wrap=True)


def search_figures(size: int, dimension: int, rounds: int) -> dict[str, Any]:
    """The exact index, and from a size on the approximate one, beside FAISS and the bare product."""
    console.print(f"search in {size:,} x {dimension} ...")
    trial = prepare(Population.published(POPULATIONS[dimension]), size)
    if size >= APPROXIMATE_FROM:
        coded = ApproximateIndex(dimension, threshold=trial.threshold, exact_below=0, background=False)
        trial = fill(trial, "approximate", coded)
    return measure(trial, k=K, rounds=rounds).to_dict()


def frontier_figures(size: int, dimension: int, rounds: int) -> dict[str, Any]:
    """Every library at each of its dials: recall, time of a search of 1 and of 64 probes, building, memory."""
    population = Population.published(POPULATIONS[dimension])
    rng = np.random.default_rng(1)
    templates = population.templates(size, rng)
    mated = population.probes_of(templates, rng.integers(size, size=PROBES), rng)
    probes = np.stack([mated, population.strangers(PROBES, rng)], axis=1).reshape(2 * PROBES, -1)  # by turns
    exact = ours_exact(templates.vectors)
    truth = exact.search(probes, K)
    makers: dict[str, Maker] = {"pq": ours_coded, "faiss": faiss_flat}
    makers |= {name: make for name, (library, make) in PEERS.items() if installed(library)}
    found = [_points(exact, exact, probes, truth, rounds)]
    for name, make in makers.items():
        console.print(f"{name} in {size:,} x {dimension} ...")
        some = FEW if name == "deepface" else len(probes)
        found.append(_points(make(templates.vectors), exact, probes[:some], truth[:some], rounds))
    missing = sorted({library for library, _ in PEERS.values() if not installed(library)})
    return {"size": size, "dimension": dimension, "k": K, "probes": len(probes), "libraries": found, "missing": missing}


def _points(built: Built, exact: Built, probes: FloatArray, truth: Any, rounds: int) -> dict[str, Any]:
    points = []
    for dial in built.dials or (None,):
        if dial is not None:
            built.turn_to(dial)
        rows = built.search(probes, K)
        point: dict[str, Any] = {
            "dial": dial,
            "recall_at_1": float((rows[:, 0] == truth[:, 0]).mean()),
            "recall_at_1_mated": float((rows[::2, 0] == truth[::2, 0]).mean()),
            "recall_at_10": float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, rows, strict=True)])),
        }
        for batch in (1, 64) if len(probes) > FEW else (1,):
            timings = interleaved(
                {
                    "theirs": lambda turn, n=batch: built.search(_turn(probes, turn, n), K),  # type: ignore[misc]
                    "exact": lambda turn, n=batch: exact.search(_turn(probes, turn, n), K),  # type: ignore[misc]
                },
                rounds,
                settle=0.05,
            )
            point[f"ms_batch{batch}"] = timings.median_ms("theirs")
            point[f"times_exact_batch{batch}"] = timings.ratio("theirs", "exact")
        points.append(point)
    return {
        "name": built.name,
        "settings": built.settings,
        "exact": built.exact,
        "build_seconds": built.seconds,
        "total_bytes": built.total_bytes,
        "points": points,
    }


def _turn(probes: FloatArray, turn: int, count: int) -> FloatArray:
    return probes.take(range(turn * count, (turn + 1) * count), axis=0, mode="wrap")


def search_table(figures: list[dict[str, Any]]) -> str:
    """Times and ratios by size, dimension and number of probes."""
    columns = ["templates", "length", "probes", "exact", "FAISS flat", "times faster", "product alone", "its share"]
    columns += ["approximate", "times faster", "recall at 1"]
    lines = [f"| {' | '.join(columns)} |", "|" + "--:|" * len(columns)]
    for item in figures:
        coded = item.get("approximate")
        for batch, theirs in item["faiss_flat_ms"].items():
            ours = item[f"median_ms_batch{batch}"]
            other = "| |"
            if coded:
                times = coded[f"ratio_vs_faiss_flat_batch{batch}"]
                other = f"{coded[f'median_ms_batch{batch}']:.2f} ms | {times:.1f} | {coded['recall_at_1']:.4f}"
            lines.append(
                f"| {item['size']:,} | {item['dimension']} | {batch} | {ours:.2f} ms | {theirs:.2f} ms "
                f"| {item[f'ratio_vs_faiss_flat_batch{batch}']:.2f} | {item['gemm_ms'][batch]:.2f} ms "
                f"| {100 * item[f'gemm_share_batch{batch}']:.0f} % | {other} |"
            )
    return "\n".join(lines) + "\n"


def build_table(figures: list[dict[str, Any]]) -> str:
    """Building and memory by size and dimension."""
    lines = [
        "| templates | length | vectors | exact | filled in | approximate | learnt in | FAISS filled in |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for item in figures:
        coded = item.get("approximate")
        other = f"{coded['index_bytes'] / 1e6:,.0f} MB | {coded['build_seconds']:.0f} s" if coded else "|"
        lines.append(
            f"| {item['size']:,} | {item['dimension']} | {item['faiss_bytes'] / 1e6:,.0f} MB "
            f"| {item['index_bytes'] / 1e6:,.0f} MB | {item['build_seconds']:.2f} s | {other} "
            f"| {item['faiss_build_seconds']:.2f} s |"
        )
    return "\n".join(lines) + "\n"


def peers_table(frontier: dict[str, Any]) -> str:
    """Every library at the first dial that finds 99 % of the mated probes, or at its last."""
    lines = [
        "| library | settings | dial | recall at 1, mated | recall at 10 | 1 probe | 64 probes | built in | memory |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for item in frontier["libraries"]:
        points = item["points"]
        point = next((each for each in points if each["recall_at_1_mated"] >= 0.99), points[-1])
        many = f"{point['ms_batch64']:.2f} ms" if "ms_batch64" in point else ""
        lines.append(
            f"| {item['name']} | {item['settings']} | {point['dial'] or ''} | {point['recall_at_1_mated']:.4f} "
            f"| {point['recall_at_10']:.4f} | {point['ms_batch1']:.2f} ms | {many} "
            f"| {item['build_seconds']:.1f} s | {item['total_bytes'] / 1e6:,.0f} MB |"
        )
    if frontier["missing"]:
        lines += ["", f"Not installed when this was measured: {', '.join(frontier['missing'])}."]
    return "\n".join(lines) + "\n"


def machine_line(document: dict[str, Any]) -> str:
    """What it was measured on, in a sentence."""
    facts = document["machine"]
    return (
        f"Measured on {facts['cpu']}, {facts['cores']} cores, {facts['memory_bytes'] / 2**30:.0f} GiB of memory; "
        f"NumPy {facts['numpy']} ({facts['blas']}), FAISS {facts['faiss']}, Python {facts['python']}.\n"
    )


def caution(part: dict[str, Any]) -> str:
    """When a part was measured, and whether the machine was idle."""
    busy = part["load_before"]
    note = provisional(busy)
    return f"\nMeasured on {part['measured_at'][:10]}, {part['rounds']} turns at least.{note}\n"


def write(document: dict[str, Any]) -> None:
    """Tables and pictures."""
    results, images = DOCS / "results", DOCS / "images"
    search, frontier = document["search"], document["frontier"]
    (results / "performance-machine.md").write_text(machine_line(document), "utf-8")
    (results / "performance-search.md").write_text(search_table(search["figures"]) + caution(search), "utf-8")
    (results / "performance-build.md").write_text(build_table(search["figures"]), "utf-8")
    (results / "performance-peers.md").write_text(peers_table(frontier["figures"]) + caution(frontier), "utf-8")
    time_picture(search["figures"], images / "search-time.png")
    frontier_picture(frontier["figures"], images / "search-frontier.png")


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dims", type=int, nargs="+", default=[128, 512], choices=sorted(POPULATIONS))
    parser.add_argument("--frontier-size", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--parts", nargs="*", default=["search", "frontier"], choices=["search", "frontier"])
    options = parser.parse_args()
    path = DOCS / "results" / "performance.json"
    document: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for part in options.parts:
        load_before = load()
        figures: Any
        if part == "search":
            figures = [search_figures(size, dim, options.rounds) for dim in options.dims for size in options.sizes]
        else:
            figures = frontier_figures(options.frontier_size, options.dims[0], options.rounds)
        document[part] = {
            "figures": figures,
            "load_before": load_before,
            "rounds": options.rounds,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        document["machine"] = machine_facts()
        path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", "utf-8")
    write(document)


if __name__ == "__main__":
    main()
