"""Measure the pipeline beside deepface and face_recognition and write that part of ``docs/explanation/performance.md``.

    PYTHONPATH=benchmarks python -m pipeline.others_report [--rounds 7]

Needs the environment of ``make bench-peers``. Writes ``docs/results/pipeline-others.json`` and from it
``docs/results/pipeline-others.md``; with ``--draw`` nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from caution import caution
from machine import load, machine_facts
from rich.console import Console
from timing import interleaved

from facematch.faces import FaceAnalyzer
from facematch.parallel import usable_cpus
from pipeline.others import assert_same_people, deepface, face_recognition
from pipeline.report import DOCS, NAMES
from pipeline.scenes import crowd, group, singles

console = Console(soft_wrap=True)


def measured(rounds: int) -> dict[str, Any]:
    """Every library on every workload on which it finds the same people."""
    busy = load()
    analyzer = FaceAnalyzer.from_pack("opencv")
    six = group()
    alone = singles(six, analyzer.detect([six])[0], 64)
    works = {"one": alone[:1], "six": [six], "thirty": [crowd(six)], "singles64": alone}
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facematch-")))
        for other in (stack.enter_context(deepface(analyzer, folder)), face_recognition()):
            for work, pictures in works.items():
                ours, theirs = analyzer.analyze(pictures), other.analyze(pictures)
                row: dict[str, Any] = {"library": other.name, "workload": work, "faces": sum(map(len, ours))}
                row["faces_of_library"] = sum(map(len, theirs))
                try:
                    assert_same_people(ours, theirs, other.name)
                except AssertionError as error:
                    console.print(f"{work}: {error}; not timed", markup=False)
                    rows.append(row)
                    continue
                sides: dict[str, Callable[[int], object]] = {
                    "theirs": lambda _, pictures=pictures, other=other: other.analyze(pictures),  # type: ignore[misc]
                    "ours": lambda _, pictures=pictures: analyzer.analyze(pictures),  # type: ignore[misc]
                }
                timings = interleaved(sides, rounds, settle=0.05)
                row["library_ms"], row["facematch_ms"] = timings.median_ms("theirs"), timings.median_ms("ours")
                row["ratio"] = timings.ratio("theirs", "ours")
                rows.append(row)
                console.print(f"{other.name}, {work}: {row['ratio']:.1f} times", markup=False)
    return {
        "rows": rows,
        "threads": usable_cpus(),
        "turns": rounds,
        "load_before": busy,
        "machine": machine_facts(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(document: dict[str, Any]) -> str:
    """Times and ratios."""
    lines = ["| the other library | pictures | it takes | facematch takes | times faster |", "|---|---|--:|--:|--:|"]
    for row in document["rows"]:
        start = f"| {row['library']} | {NAMES[row['workload']]} "
        if "ratio" in row:
            lines.append(
                start + f"| {row['library_ms']:.1f} ms | {row['facematch_ms']:.1f} ms | **{row['ratio']:.1f}** |"
            )
        else:
            lines.append(start + f"| finds {row['faces_of_library']} of {row['faces']} faces | | not compared |")
    busy = document["load_before"]
    note = caution(busy)
    said = (
        f"Measured on {document['measured_at'][:10]} on {document['machine']['cpu']}, {document['threads']} threads, "
        f"{document['turns']} turns, facematch with its default models on ONNX Runtime.{note}"
    )
    return "\n".join([*lines, "", said]) + "\n"


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    options = parser.parse_args()
    path = DOCS / "results" / "pipeline-others.json"
    if not options.draw:
        path.write_text(json.dumps(measured(options.rounds), indent=1, allow_nan=False) + "\n", "utf-8")
    document = json.loads(path.read_text("utf-8"))
    (DOCS / "results" / "pipeline-others.md").write_text(table(document), "utf-8")


if __name__ == "__main__":
    main()
