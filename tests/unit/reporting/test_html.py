from __future__ import annotations

import base64
import re

import pytest

from facematch.reporting import Bullets, Card, Cards, Figure, Figures, Note, Paragraph, Report, Section, Table, to_html
from tests.unit.reporting.support import Page, everything, plain

HOSTILE = "<script>alert('x')</script><img src=x onerror=y> & \"</td>"


def test_quoted_text_stays_text() -> None:
    html = to_html(everything(HOSTILE, pictured=False))
    page = Page(html)
    assert not page.tags & {"script", "img"}
    assert page.open == []
    quoted = [text for text in page.text if "alert(" in text]
    assert len(quoted) > 20
    assert [text for text in quoted if HOSTILE not in text] == []


def test_quoted_text_stays_text_beside_pictures() -> None:
    page = Page(to_html(everything(HOSTILE)))
    assert "script" not in page.tags
    assert page.open == []
    assert {name for name, _ in page.attributes if name.startswith("on")} == set()
    assert set(page.values("src", "srcset")) == {
        "data:image/png;base64," + base64.b64encode(b"light").decode(),
        "data:image/png;base64," + base64.b64encode(b"dark").decode(),
        "data:image/jpeg;base64," + base64.b64encode(b"jpeg").decode(),
    }
    assert page.values("alt") == [f"{HOSTILE}. {HOSTILE}", HOSTILE]
    quoted = [text for text in page.text if "alert(" in text]
    assert len(quoted) > 30
    assert [text for text in quoted if HOSTILE not in text] == []


def test_page_needs_nothing_from_elsewhere() -> None:
    html = to_html(everything("x"))
    page = Page(html)
    assert page.values("href") == ["annotated.mp4"]
    assert not page.tags & {"script", "link", "iframe", "object", "form"}
    assert re.search(r"url\(|@import|https?:", html) is None


def test_only_a_page_with_pictures_may_load_any() -> None:
    csp = "default-src 'none'; style-src 'unsafe-inline'"
    assert f'content="{csp}"' in to_html(everything("x", pictured=False))
    assert f'content="{csp}; img-src data:"' in to_html(everything("x"))


def test_contents_are_listed_from_four_sections_on() -> None:
    def page(count: int, *, contents: bool = True) -> Page:
        sections = tuple(Section(f"part {number}", (Paragraph("p"),)) for number in range(count))
        return Page(to_html(Report(kind="k", title="t", meta="m", sections=sections, contents=contents)))

    assert page(3).values("href") == []
    assert page(4).values("href") == [f"#section-{number}" for number in (1, 2, 3, 4)]
    assert set(page(4).values("id")) == {f"section-{number}" for number in (1, 2, 3, 4)}
    assert page(4, contents=False).values("href") == []


def test_section_may_have_no_heading() -> None:
    assert "<h2>" in to_html(plain(Paragraph("p")))
    assert "<h2>" not in to_html(plain(Paragraph("p"), title=""))


def test_note_that_something_failed_stands_out() -> None:
    html = to_html(plain(Note("two", title="One."), Note("four", title="Three.", stop=True)))
    assert '<p class="note"><b>One.</b> two</p>' in html
    assert '<p class="note stop"><b>Three.</b> four</p>' in html


def test_lists_are_numbered_where_order_matters() -> None:
    assert '<ol class="list">' in to_html(plain(Bullets(("a",), numbered=True)))
    assert '<ul class="list">' in to_html(plain(Bullets(("a",))))


@pytest.mark.parametrize(
    ("score", "threshold", "width", "left"), [(0.71234, 0.4, "71.2", "40.0"), (1.5, -0.2, "100.0", "0.0")]
)
def test_card_shows_score_against_threshold(score: float, threshold: float, width: str, left: str) -> None:
    html = to_html(plain(Cards((Card("s-1", "00:01", None, "", score, threshold),))))
    assert f'<i style="width: {width}%"></i><u style="left: {left}%"></u>' in html
    assert f"score <b>{score:.3f}</b>" in html
    assert f"threshold {threshold:.3f}" in html
    assert "no picture" in html


def test_what_is_not_there_is_said() -> None:
    html = to_html(plain(Cards((), empty="no candidate"), Table(("a",), (), empty="no rows")))
    assert '<p class="empty">no candidate</p>' in html
    assert '<p class="empty">no rows</p>' in html


def test_figure_has_a_light_and_a_dark_version() -> None:
    html = to_html(plain(Figures((Figure("f", "", "caption", b"<svg/>", b"<svg />", "image/svg+xml"),))))
    light, dark = (base64.b64encode(data).decode() for data in (b"<svg/>", b"<svg />"))
    assert f'<source srcset="data:image/svg+xml;base64,{dark}" media="screen and (prefers-color-scheme: dark)">' in html
    assert f'<img src="data:image/svg+xml;base64,{light}" alt="caption">' in html
