"""Markdown of a report, with tables as GitHub writes them. Whatever it quotes is escaped, so that it stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from facematch.reporting.document import (
    NOT_STATED,
    Block,
    Bullets,
    Cards,
    Cell,
    Facts,
    Figures,
    Note,
    Paragraph,
    Report,
    Table,
)

__all__ = ["to_markdown"]

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|#~])")
_AT_START: Final = re.compile(r"^(\d*)([-+=.)])(?=[\s=-]|$)")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def to_markdown(report: Report) -> str:
    """Markdown text that ends in one line break; pictures are described, not shown."""
    parts = [f"# {_text(report.title)}", f"{_text(report.kind)}. {_text(report.meta)}."]
    parts += ["\n>\n".join(f"> {_text(text)}" for text in report.lead)] if report.lead else []
    parts += [_block(note) for note in report.notes]
    parts += [_list(f"**{_text(figure)}** {_text(what)}" for figure, what in report.tiles)] if report.tiles else []
    if report.missing:
        parts.append(f"**To be completed by the controller ({report.missing_count}):**")
        parts.append(_list(f"{_text(title)}: {'; '.join(map(_text, names))}" for title, names in report.missing))
    for number, section in enumerate(report.sections, start=1):
        if section.title:
            parts.append(f"## {f'{number}. ' if report.numbered else ''}{_text(section.title)}")
        parts += [_block(block) for block in section.blocks]
    parts += ["---", *(_text(text) for text in report.closing)]
    if report.files:
        parts.append(_list(f"{_text(name)}: {_text(path)}" for name, path in report.files))
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return _text(text)
        case Note(text, title):
            return f"> **{_text(title or 'Note.')}** {_text(text)}"
        case Bullets(items, numbered):
            return _list(map(_text, items), numbered=numbered)
        case Facts(rows):
            return _table(("Fact", "Value"), rows)
        case Table(columns, rows, empty, caption):
            if not rows:
                return _text(empty)
            return _table(columns, rows) + (f"\n\n{_text(caption)}" if caption else "")
        case Figures(items):
            return _list(f"**{_text(item.title or item.name)}** {_text(item.caption)}" for item in items)
        case Cards(items, empty):
            if not items:
                return _text(empty)
            return _list(
                f"**{_text(item.title)}** {_text(item.subtitle)}: score {item.score:.3f}, "
                f"threshold {item.threshold:.3f}. {' '.join(map(_text, item.lines))}"
                for item in items
            )


def _list(items: Iterable[str], *, numbered: bool = False) -> str:
    return "\n".join(f"{f'{number}.' if numbered else '-'} {item}" for number, item in enumerate(items, start=1))


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]) -> str:
    lines = [f"| {' | '.join(map(_text, columns))} |", "|" + " --- |" * len(columns)]
    return "\n".join([*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])


def _cell(value: Cell) -> str:
    if value is None:
        return f"**{NOT_STATED}**"
    if isinstance(value, tuple):
        return "; ".join(_text(item) for item in value) if value else "none"
    return _text(value)


def _text(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    line = _CONTROLS.sub(" ", text).strip().replace("&", "&amp;")
    return _AT_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line))
