"""Composition and files of an evaluation's report: one self-contained HTML page, its diagrams as PNG files beside it.

No face, picture or path is in a report; where a comparison is worth a look, its pictures are named by digest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from facematch.errors import InvalidArgument
from facematch.reporting import Facts, Figure, Figures, Note, Report, Section, Table, to_html

__all__ = ["compose", "figure", "table", "write_report"]

_CLOSING = (
    "Rates hold for these pictures and these people. Scores are raw cosines, not probabilities. Pictures are named by "
    "the first digits of the SHA-256 of their file; sha256sum finds them."
)


def compose(
    *,
    kind: str,
    title: str,
    tiles: Sequence[tuple[str, str]],
    notes: Sequence[str],
    figures: Sequence[Figure],
    tables: Sequence[Section],
    facts: Sequence[tuple[str, str]],
    stops: Sequence[str] = (),
) -> Report:
    """Report of one evaluation, in the order that all of them have.

    Args:
        kind: Which evaluation.
        title: Heading.
        tiles: ``(figure, what it is)``; the first stands out.
        notes: Sentences that must not be overlooked.
        figures: Diagrams.
        tables: Sections of tables.
        facts: How it was made: ``(name, value)``.
        stops: Sentences about a gate that is not passed.
    """
    stopped = tuple(Note(line, title="Not passed.", stop=True) for line in stops)
    return Report(
        kind=f"facematch · {kind}",
        title=title,
        meta=f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        notes=(*stopped, Note(" ".join(notes))),
        tiles=tuple(tiles),
        sections=(
            Section("", (Figures(tuple(figures)),)),
            *tables,
            Section("How this was made", (Facts(tuple(facts)),)),
        ),
        closing=(_CLOSING,),
        numbered=False,
        contents=False,
    )


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> Section:
    """Section of one table; the first column holds row names."""
    return Section(title, (Table(tuple(columns), tuple(tuple(row) for row in rows), caption=caption),))


def figure(name: str, title: str, caption: str, draw: Callable[[bool], bytes]) -> Figure:
    """Diagram in both versions.

    Args:
        name: Its file name without suffix.
        title: Heading.
        caption: What to read from it.
        draw: Draws it as PNG, for a dark page where the argument is true.
    """
    return Figure(name, title, caption, light=draw(False), dark=draw(True))


def write_report(report: Report, folder: Path) -> Path:
    """Write ``report.html`` and a PNG file a diagram.

    Args:
        report: The report.
        folder: Where to; made if needed.

    Returns:
        The HTML file.

    Raises:
        InvalidArgument: The folder cannot be written.
    """
    html = to_html(report)
    path = folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in report.figures:
            (folder / f"{each.name}.png").write_bytes(each.light)
        path.write_text(html, "utf-8")
    except OSError as error:
        raise InvalidArgument(
            f"the report cannot be written to {folder}: {error.strerror}", hint="name a folder that can be written"
        ) from error
    return path
