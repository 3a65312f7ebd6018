"""Lists of subjects: what is understood, and what is refused with its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from facematch.bulk import read_listing
from facematch.bulk.listing import COLUMNS
from facematch.errors import ConsentInvalid, ConsentRequired, InvalidArgument

FOR_ALL = {"purpose": "site-access", "notice": "/n.txt", "language": "en", "valid-for": "365d"}


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "people.csv"
    file.write_bytes(text.encode(encoding))
    (folder / "form.pdf").write_bytes(b"signed")
    (folder / "other.pdf").write_bytes(b"signed by another")
    (folder / "notice.txt").write_bytes(b"read me")
    return file


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_rows_of_a_subject_belong_together(tmp_path: Path, separator: str, newline: str, encoding: str) -> None:
    rows = [("Subject", "Picture", "Evidence"), ("a", "1.jpg", "form.pdf"), ("b", "/x/2.jpg", ""), ("a", "3.jpg", "")]
    text = newline.join(separator.join(row) for row in rows) + newline
    first, second = read_listing(write(tmp_path, text, encoding))
    assert (first.subject_id, first.pictures, first.line) == ("a", (tmp_path / "1.jpg", tmp_path / "3.jpg"), 2)
    assert first.said == {"evidence": str(tmp_path / "form.pdf")}
    assert (second.subject_id, second.pictures, second.line) == ("b", (Path("/x/2.jpg"),), 3)
    assert second.said == {}
    assert second.consent(actor="ana") is None


def test_a_row_becomes_a_consent_record(tmp_path: Path) -> None:
    fields = {
        "subject": "s",
        "picture": "1.jpg",
        "purpose": "site-access | theft-prevention",
        "site": "store-1|store-2",
        "zone": "door",
        "recipient": "police",
        "notice": "notice.txt",
        "language": "en",
        "evidence": "form.pdf",
        "adult": "YES",
        "valid-for": "30d",
        "lawful-basis": "explicit-consent",
        "category": "staff",
        "incident": "i-7",
        "source": "live-capture",
        "assessment": "dpia-3",
        "controller": '"Shop, Inc."',
        "contact": "privacy@shop.example",
        "jurisdiction": "IE",
    }
    assert set(fields) == set(COLUMNS)
    text = ",".join(name.replace("-", "_") for name in fields) + "\n" + ",".join(fields.values()) + "\n"
    (listed,) = read_listing(write(tmp_path, text))
    consent = listed.consent(actor="ana")
    assert consent is not None
    assert (consent.subject_id, consent.purposes, consent.sites) == (
        "s",
        ("site-access", "theft-prevention"),
        ("store-1", "store-2"),
    )
    assert (consent.zones, consent.recipients, consent.category) == (("door",), ("police",), "staff")
    assert (consent.incident_id, consent.source, consent.impact_assessment) == ("i-7", "live-capture", "dpia-3")
    assert (consent.jurisdiction, consent.events[0].actor) == ("IE", "ana")
    assert consent.controller is not None
    assert (consent.controller.name, consent.controller.contact) == ("Shop, Inc.", "privacy@shop.example")
    assert consent.valid_until is not None
    assert consent.valid_from is not None
    assert consent.valid_until - consent.valid_from == timedelta(days=30)


def test_what_holds_for_all_is_overruled_by_a_row(tmp_path: Path) -> None:
    text = "subject,picture,evidence,adult,language\na,1.jpg,form.pdf,yes,\nb,2.jpg,other.pdf,yes,fr\n"
    terms = {**FOR_ALL, "notice": str(tmp_path / "notice.txt")}
    listed = read_listing(write(tmp_path, text), terms)
    languages = []
    for each in listed:
        consent = each.consent(actor="ana")
        assert consent is not None
        languages.append(consent.language)
    assert languages == ["en", "fr"]


@pytest.mark.parametrize("name", ["evidence", "adult", "incident", "picture"])
def test_what_is_each_subject_s_own_cannot_be_said_for_all(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="own"):
        read_listing(write(tmp_path, "subject,picture\na,1.jpg\n"), {name: "yes"})


def test_a_consent_lacks_nothing(tmp_path: Path) -> None:
    terms = {**FOR_ALL, "notice": str(tmp_path / "notice.txt")}
    text = "subject,picture,evidence,adult\na,1.jpg,,yes\nb,2.jpg,form.pdf,no\nc,3.jpg,other.pdf,\n"
    first, second, third = read_listing(write(tmp_path, text), terms)
    with pytest.raises(ConsentRequired, match="evidence"):
        first.consent(actor="ana")
    for each in (second, third):
        with pytest.raises(ConsentInvalid, match="adult"):
            each.consent(actor="ana")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "columns none"),
        ("\n", "columns"),
        ("subject\na\n", "columns subject"),
        ("picture\n1.jpg\n", "columns picture"),
        ("subject,picture,picture\na,1,2\n", "columns subject, picture, picture"),
        ("subject,picture,age\na,1.jpg,33\n", "age"),
        ("subject,picture\n", "no subject"),
        ("subject,picture\n,\n", "no subject"),
        ("subject,picture\na,1.jpg,more\n", "line 2: 3 fields"),
        ("subject,picture\na\n", "line 2: 1 fields"),
        ("subject,picture\na,\n", "line 2: there is no picture"),
        ("subject,picture\n,1.jpg\n", "line 2: "),
        ("subject,picture\na\x07b,1.jpg\n", "line 2: "),
        ('subject,picture\na,"1.jpg\n', "line 2"),
        ("subject,picture,adult\na,1.jpg,maybe\n", "line 2: adult is yes or no"),
        ("subject,picture,evidence\na,1.jpg,f\na,2.jpg,g\n", "line 3: evidence is another than on line 2"),
        ("subject,picture,evidence\na,1.jpg,f\nb,2.jpg,f\n", "line 3: the evidence of b is that of a"),
    ],
)
def test_a_bad_list_is_refused_with_its_lines(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_listing(write(tmp_path, text))
    assert what in caught.value.message
    assert caught.value.hint


def test_a_duration_alone_says_nothing_of_a_consent(tmp_path: Path) -> None:
    (listed,) = read_listing(write(tmp_path, "subject,picture\na,1.jpg\n"), {"valid-for": "30d"})
    assert listed.consent(actor="ana") is None
    text = "subject,picture,evidence,adult,purpose,notice,language\na,1.jpg,form.pdf,yes,site-access,notice.txt,en\n"
    (listed,) = read_listing(write(tmp_path, text), {"valid-for": "30d"})
    consent = listed.consent(actor="ana")
    assert consent is not None
    assert consent.valid_from is not None
    assert consent.valid_until == consent.valid_from + timedelta(days=30)


def test_all_bad_lines_are_named_up_to_a_limit(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_listing(write(tmp_path, "subject,picture\n" + "a,\n" * 25))
    assert caught.value.message.count("there is no picture") == 20
    assert "and 5 more" in caught.value.message


def test_other_encodings_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="UTF-8"):
        read_listing(write(tmp_path, "subject,picture\nMüller,1.jpg\n", "latin-1"))
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(InvalidArgument, match="cannot be read"):
            read_listing(path)
