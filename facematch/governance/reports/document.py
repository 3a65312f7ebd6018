"""What a report is made of, before it is Markdown or HTML: headed sections of paragraphs, lists, facts and tables.

A value that is not known is ``None``. It is never filled in by guessing: both forms say :data:`NOT_STATED` in its
place, and :attr:`Report.missing` names them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, TypeAlias

__all__ = ["NOT_STATED", "Block", "Bullets", "Cell", "Facts", "Note", "Paragraph", "Report", "Section", "Table"]

NOT_STATED: Final = "not stated - to be completed by the controller"
"""What stands in the place of a fact that nobody has recorded."""

Cell: TypeAlias = str | tuple[str, ...] | None
"""One value: a text, several texts (an empty tuple says ``none``), or ``None`` where nobody stated it."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """Text that must not be overlooked."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of sentences.

    Attributes:
        items: The sentences.
        numbered: Whether their order matters.
    """

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values.

    Attributes:
        rows: ``(name, value)``.
    """

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a heading a column.

    Attributes:
        columns: The headings.
        rows: The cells, as many a row as there are columns.
        empty: What is said where there are no rows.
        caption: What to read from it.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "None."
    caption: str = ""


Block: TypeAlias = Paragraph | Note | Bullets | Facts | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What one report says.

    Attributes:
        kind: What it is, in a few words above the title.
        title: Heading.
        made_at: When it was made, UTC.
        lead: What it is for and what it is not.
        tiles: ``(figure, what it is)``; may be empty.
        sections: The sections, in order.
        closing: The last words.
        numbered: Whether the sections are numbered.
    """

    kind: str
    title: str
    made_at: datetime
    lead: tuple[str, ...]
    tiles: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    closing: tuple[str, ...] = ()
    numbered: bool = True

    @property
    def missing(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The facts that nobody stated, by section, each once, in order."""
        found = []
        for section in self.sections:
            names = dict.fromkeys(name for block in section.blocks for name in _missing_in(block))
            if names:
                found.append((section.title.rstrip("?"), tuple(names)))
        return tuple(found)

    @property
    def missing_count(self) -> int:
        """How many facts nobody stated."""
        return sum(len(names) for _, names in self.missing)


def _missing_in(block: Block) -> tuple[str, ...]:
    if isinstance(block, Facts):
        return tuple(name for name, value in block.rows if value is None)
    if isinstance(block, Table):
        return tuple(
            column for number, column in enumerate(block.columns) if any(row[number] is None for row in block.rows)
        )
    return ()
