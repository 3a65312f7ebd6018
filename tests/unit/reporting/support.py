"""Reports for tests, and what a browser would make of a page."""

from __future__ import annotations

from html.parser import HTMLParser

from facematch.reporting import (
    Block,
    Bullets,
    Card,
    Cards,
    Facts,
    Figure,
    Figures,
    Note,
    Paragraph,
    Report,
    Section,
    Table,
)


class Page(HTMLParser):
    """Collects what a browser would make of a page."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input", "source"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def values(self, *names: str) -> list[str]:
        """Values of some attributes."""
        return [value for name, value in self.attributes if name in names]


def plain(*blocks: Block, title: str = "s") -> Report:
    """A report with one section."""
    return Report(kind="kind", title="title", meta="Made now", sections=(Section(title, blocks),))


def everything(text: str, *, pictured: bool = True) -> Report:
    """A report that says one text in every place."""
    pictures: tuple[Block, ...] = (
        Figures((Figure(text, text, text, b"light", b"dark"),)),
        Cards((Card(text, text, b"jpeg", text, 0.7, 0.4, (text,), text), Card(text, text, None, text, 2.0, -1.0))),
        Cards((), empty=text),
    )
    return Report(
        kind=text,
        title=text,
        meta=text,
        lead=(text, text),
        notes=(Note(text, title=text), Note(text, title=text, stop=True)),
        tiles=((text, text),),
        sections=(
            Section(
                text,
                (
                    Paragraph(text),
                    Note(text),
                    Bullets((text,)),
                    Facts(((text, text), (text, (text, text)), (text, None))),
                    Table((text, text), ((text, None), ((text,), ())), caption=text),
                    Table((text,), (), empty=text),
                    *(pictures if pictured else ()),
                ),
            ),
        ),
        closing=(text,),
        files=((text, "annotated.mp4"),),
    )
