from __future__ import annotations

import pytest

from facematch.reporting import Bullets, Card, Cards, Figure, Figures, Note, Paragraph, Table, to_markdown
from tests.unit.reporting.support import everything, plain


def test_quoted_text_stays_text() -> None:
    hostile = "# *x* | <b>y</b> [z](http://e.vil) `c` &amp; _u_"
    text = to_markdown(everything(hostile))
    shown = r"\# \*x\* \| \<b\>y\</b\> \[z\](http://e.vil) \`c\` &amp;amp; \_u\_"
    assert text.count(shown) == text.count("e.vil") > 30
    assert text.replace(shown, "").count("[") == 0


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("- a", r"\- a"),
        ("+ a", r"\+ a"),
        ("1. a", r"1\. a"),
        ("2) a", r"2\) a"),
        ("---", r"\---"),
        ("===", r"\==="),
        ("# a", r"\# a"),
        ("0.5 of it", "0.5 of it"),
        ("-0.5", "-0.5"),
        ("2026-03-01", "2026-03-01"),
        ("a\nb\r\n\tc", "a b c"),
        ("a\u2028b\x00c", "a b c"),
    ],
)
def test_text_stays_on_one_line_and_is_no_list(given: str, shown: str) -> None:
    assert to_markdown(plain(Paragraph(given))).split("## 1. s\n\n")[1] == f"{shown}\n\n---\n"


def test_tables_have_as_many_cells_a_row_as_columns() -> None:
    text = to_markdown(plain(Table(("a", "b"), (("1|2", "3"),), caption="read this")))
    assert "| a | b |\n| --- | --- |\n| 1\\|2 | 3 |\n\nread this\n" in text


def test_blocks_are_set_apart() -> None:
    text = to_markdown(
        plain(
            Bullets(("a", "b"), numbered=True),
            Bullets(("c", "d")),
            Note("n"),
            Note("m", title="Stopped early."),
            Table(("x",), (), empty="no rows"),
            Figures((Figure("det", "DET", "lower is better", b"", b""), Figure("timeline", "", "over time", b"", b""))),
            Cards((Card("s-1", "00:01", None, "", 0.71234, 0.4, ("Seen in 3 frames.",)),)),
            Cards((), empty="no candidate"),
        )
    )
    assert text.split("## 1. s\n\n")[1] == (
        "1. a\n2. b\n\n- c\n- d\n\n> **Note.** n\n\n> **Stopped early.** m\n\nno rows\n\n"
        "- **DET** lower is better\n- **timeline** over time\n\n"
        "- **s-1** 00:01: score 0.712, threshold 0.400. Seen in 3 frames.\n\nno candidate\n\n---\n"
    )


def test_section_without_a_heading_has_none() -> None:
    assert "## " not in to_markdown(plain(Paragraph("p"), title=""))


def test_files_beside_the_report_are_listed() -> None:
    assert to_markdown(everything("x")).endswith("---\n\nx\n\n- x: annotated.mp4\n")
