"""Document model of reports: headed sections of paragraphs, lists, facts, tables and pictures.

A value that is not known is ``None``. It is never filled in by guessing: both formats say :data:`NOT_STATED` in its
place, and :attr:`Report.missing` names them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

__all__ = [
    "NOT_STATED",
    "Block",
    "Bullets",
    "Card",
    "Cards",
    "Cell",
    "Facts",
    "Figure",
    "Figures",
    "Note",
    "Paragraph",
    "Report",
    "Section",
    "Table",
]

NOT_STATED: Final = "not stated - to be completed by the controller"
"""Text in the place of a fact that was not recorded."""

Cell: TypeAlias = str | tuple[str, ...] | None
"""Value of a cell: a text, several texts (an empty tuple says ``none``), or ``None`` where it was not stated."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """Text that must not be overlooked.

    Attributes:
        text: The text.
        title: First words, set in bold.
        stop: Whether it says that something failed.
    """

    kind: ClassVar[str] = "note"
    text: str
    title: str = ""
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """List of sentences.

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
    """Table with a heading a column.

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


@dataclass(frozen=True, slots=True)
class Figure:
    """Diagram in a light and a dark version.

    Attributes:
        name: Its file name without suffix.
        title: Heading, or empty.
        caption: What to read from it.
        light: Picture for a light page.
        dark: Picture for a dark page.
        media_type: Media type of both.
    """

    name: str
    title: str
    caption: str
    light: bytes
    dark: bytes
    media_type: str = "image/png"


@dataclass(frozen=True, slots=True)
class Figures:
    """Diagrams side by side.

    Attributes:
        items: The diagrams.
    """

    kind: ClassVar[str] = "figures"
    items: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """Candidate with a picture and its score against the threshold.

    Attributes:
        title: Heading.
        subtitle: Text beside it.
        picture: JPEG, or ``None``.
        alt: Description of the picture.
        score: Raw cosine in ``[-1, 1]``.
        threshold: Likewise.
        lines: Sentences about it.
        identifier: Text in small letters at the end.
    """

    title: str
    subtitle: str
    picture: bytes | None
    alt: str
    score: float
    threshold: float
    lines: tuple[str, ...] = ()
    identifier: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """Candidates side by side.

    Attributes:
        items: The candidates.
        empty: What is said where there are none.
    """

    kind: ClassVar[str] = "cards"
    items: tuple[Card, ...]
    empty: str = "None."


Block: TypeAlias = Paragraph | Note | Bullets | Facts | Table | Figures | Cards


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading.

    Attributes:
        title: The heading; empty for none.
        blocks: What stands below it.
    """

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Document of one report.

    Attributes:
        kind: What it is, in a few words above the title.
        title: Heading.
        meta: When it was made, and what else belongs into the line below the title.
        lead: What it is for and what it is not.
        notes: What must not be overlooked.
        tiles: ``(figure, what it is)``; the first stands out.
        sections: The sections, in order.
        closing: The last words.
        files: Files beside the page that belong to it: ``(name, relative path)``.
        numbered: Whether the sections are numbered.
        contents: Whether a page with more than three sections begins with their list.
    """

    kind: str
    title: str
    meta: str
    sections: tuple[Section, ...]
    lead: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    tiles: tuple[tuple[str, str], ...] = ()
    closing: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    numbered: bool = True
    contents: bool = True

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks of all sections."""
        return tuple(block for section in self.sections for block in section.blocks)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Diagrams of all sections."""
        return tuple(figure for block in self.blocks if isinstance(block, Figures) for figure in block.items)

    @property
    def pictured(self) -> bool:
        """Whether there is a picture in it."""
        return any(isinstance(block, Figures | Cards) for block in self.blocks)

    @property
    def missing(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Facts that were not stated, by section, each once, in order."""
        found = []
        for section in self.sections:
            names = dict.fromkeys(name for block in section.blocks for name in _missing_in(block))
            if names:
                found.append((section.title.rstrip("?"), tuple(names)))
        return tuple(found)

    @property
    def missing_count(self) -> int:
        """Number of facts that were not stated."""
        return sum(len(names) for _, names in self.missing)


def _missing_in(block: Block) -> tuple[str, ...]:
    if isinstance(block, Facts):
        return tuple(name for name, value in block.rows if value is None)
    if isinstance(block, Table):
        return tuple(
            column for number, column in enumerate(block.columns) if any(row[number] is None for row in block.rows)
        )
    return ()
