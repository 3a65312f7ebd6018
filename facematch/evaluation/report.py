"""Reports of evaluations: one HTML file that needs nothing else, and its pictures as PNG files beside it.

No face, picture or path is in a report; where a comparison is worth a look, its pictures are named by digest.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facematch.errors import InvalidArgument

__all__ = ["Plot", "Report", "Table", "write_report"]


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture.

    Attributes:
        name: Its file name without suffix.
        title: Heading.
        caption: What to read from it.
        light: PNG for a light page; also the file.
        dark: PNG for a dark page.
    """

    name: str
    title: str
    caption: str
    light: bytes
    dark: bytes


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        title: Heading.
        columns: Column names; the first column holds row names.
        rows: Cells as text.
        caption: What to read from it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What one report says.

    Attributes:
        kind: Which evaluation.
        title: Heading.
        tiles: ``(figure, what it is)``; the first stands out.
        notes: Sentences that must not be overlooked.
        stops: Sentences about a gate that is not passed.
        plots: Pictures.
        tables: Tables.
        facts: How it was made: ``(name, value)``.
    """

    kind: str
    title: str
    tiles: Sequence[tuple[str, str]]
    notes: Sequence[str]
    plots: Sequence[Plot]
    tables: Sequence[Table]
    facts: Sequence[tuple[str, str]]
    stops: Sequence[str] = ()


def write_report(report: Report, folder: Path, *, made_at: datetime | None = None) -> Path:
    """Write ``report.html`` and a PNG file a picture.

    Args:
        report: What it says.
        folder: Where to; made if needed.
        made_at: When the evaluation was made, timezone-aware; default: now.

    Returns:
        The HTML file.

    Raises:
        InvalidArgument: The folder cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("facematch.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    moment = (made_at or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    html = environment.get_template("report.html.j2").render(report=report, made_at=moment, data_uri=_data_uri)
    path = folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for plot in report.plots:
            (folder / f"{plot.name}.png").write_bytes(plot.light)
        path.write_text(html, "utf-8")
    except OSError as error:
        raise InvalidArgument(
            f"the report cannot be written to {folder}: {error.strerror}", hint="name a folder that can be written"
        ) from error
    return path


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
