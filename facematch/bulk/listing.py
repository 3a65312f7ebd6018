"""Lists of subjects to enroll, as CSV: a row a picture, with what each subject's consent says."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from facematch.errors import ConsentRequired, InvalidArgument
from facematch.governance import Consent, Particulars, check_subject_id
from facematch.governance.consent.parts import Controller
from facematch.governance.time import parse_duration

__all__ = ["COLUMNS", "Listed", "read_listing"]

COLUMNS: Final = MappingProxyType(
    {
        "subject": "opaque id of the subject",
        "picture": "a picture file with exactly this one face",
        "purpose": "purposes that the subject agreed to",
        "site": "sites that the consent is limited to",
        "zone": "zones of the sites that it is limited to",
        "recipient": "who may receive the data",
        "notice": "file of the privacy notice that was shown",
        "language": "language of the notice",
        "evidence": "file of the evidence, such as a signed form",
        "adult": "yes: you attest that the subject is an adult",
        "valid-for": "how long the consent holds: 365d, 52w, 36h",
        "lawful-basis": "lawful basis, if not explicit consent",
        "category": "why the subject is on the list, such as staff",
        "incident": "opaque id of the incident behind it",
        "source": "where the pictures come from, such as live-capture",
        "assessment": "reference of the assessment of necessity and impact",
        "controller": "who decides why and how the data is used",
        "contact": "where subjects reach the controller",
        "jurisdiction": "code after ISO 3166, such as IE or US-IL",
    }
)
"""Columns of a listing and what they mean; all but the first two may be missing."""

OWN: Final = frozenset({"subject", "picture", "evidence", "adult", "incident"})
"""Columns that are each subject's own: nothing can be said there for all."""

_FILES: Final = ("picture", "notice", "evidence")
_YES: Final = frozenset({"yes", "true", "1"})
_NO: Final = frozenset({"no", "false", "0", ""})
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Listed:
    """One subject of a listing.

    Attributes:
        subject_id: The subject.
        pictures: The pictures' files.
        line: Line of the file on which the subject first stands.
        said: What the rows and the terms for all say about the consent, by column; empty where nothing is said.
    """

    subject_id: str
    pictures: tuple[Path, ...]
    line: int
    said: Mapping[str, str] = field(default_factory=dict)

    def consent(self, *, actor: str) -> Consent | None:
        """The consent record, given now; ``None`` where the listing says nothing of one.

        Raises:
            ConsentRequired: Something that every record needs is missing.
            ConsentInvalid: A value is malformed, or a file cannot be read.
            InvalidArgument: ``valid-for`` is no duration.
        """
        said = self.said
        if not set(said) - {"valid-for"}:
            return None
        needed = ("purpose", "notice", "language", "evidence", "valid-for")
        if missing := [name for name in needed if not said.get(name)]:
            raise ConsentRequired(
                f"the listing says nothing of {', '.join(missing)}", hint="fill in the columns, or say it for all"
            )
        particulars: Particulars = {
            "zones": _several(said.get("zone", "")),
            "recipients": _several(said.get("recipient", "")),
            "category": said.get("category"),
            "incident_id": said.get("incident"),
            "source": said.get("source"),
            "impact_assessment": said.get("assessment"),
            "jurisdiction": said.get("jurisdiction"),
        }
        if basis := said.get("lawful-basis"):
            particulars["lawful_basis"] = basis
        if controller := {name: said[key] for name, key in _CONTROLLER if key in said}:
            particulars["controller"] = Controller(**controller)
        return Consent.given(
            subject_id=self.subject_id,
            purposes=_several(said["purpose"]),
            sites=_several(said.get("site", "")),
            notice=said["notice"],
            language=said["language"],
            evidence=said["evidence"],
            adult_attested=said.get("adult", "") in _YES,
            valid_for=parse_duration(said["valid-for"]),
            actor=actor,
            **particulars,
        )


_CONTROLLER: Final = (("name", "controller"), ("contact", "contact"))


def read_listing(file: Path, for_all: Mapping[str, str] | None = None) -> list[Listed]:
    """Read a listing. It is looked at as a whole: one bad row, and nothing of it is used.

    UTF-8, with a header that names the columns, in any order, separated by commas, semicolons or tabs. A row is a
    picture; rows of one subject belong together, and say the same of the consent or leave it to the first that does.
    Several names in one field are separated by ``|``. Files are relative to the listing's folder.

    Args:
        file: The listing.
        for_all: What holds for every subject that says nothing else, by column.

    Returns:
        The subjects, in the order in which they first stand there.

    Raises:
        InvalidArgument: The file cannot be read, or rows are malformed; the message names the lines.
    """
    everyone = {name: text for name, text in (for_all or {}).items() if text}
    if taken := sorted(set(everyone) & OWN):
        raise InvalidArgument(f"{', '.join(taken)} is each subject's own", hint="give it a column in the listing")
    problems: list[str] = []
    subjects: dict[str, _Subject] = {}
    evidence: dict[str, str] = {}
    for line, row in _rows(file):
        subject = row.pop("subject", "")
        try:
            check_subject_id(subject)
        except InvalidArgument as error:
            problems.append(f"line {line}: {error.message}")
            continue
        if not row.get("picture"):
            problems.append(f"line {line}: there is no picture")
            continue
        if (form := row.get("evidence")) and evidence.setdefault(form, subject) != subject:
            problems.append(f"line {line}: the evidence of {subject} is that of {evidence[form]}")
        problems += subjects.setdefault(subject, _Subject(line)).add(line, row)
    if problems:
        shown = "; ".join(problems[:_SHOWN]) + (f"; and {len(problems) - _SHOWN} more" * (len(problems) > _SHOWN))
        raise InvalidArgument(f"{file.name} cannot be used: {shown}", hint="nothing of it was used; correct the lines")
    if not subjects:
        raise InvalidArgument(f"{file.name} names no subject", hint="write a row for every picture")
    return [
        Listed(name, tuple(Path(picture) for picture in subject.pictures), subject.line, everyone | subject.said)
        for name, subject in subjects.items()
    ]


@dataclass(slots=True)
class _Subject:
    line: int
    pictures: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)

    def add(self, line: int, row: Mapping[str, str]) -> list[str]:
        """Take up a row; returns what is wrong with it."""
        self.pictures.append(row["picture"])
        problems = []
        for name, text in row.items():
            if name == "picture" or not text:
                continue
            if name == "adult" and text not in _YES | _NO:
                problems.append(f"line {line}: adult is yes or no, got {text!r}")
            if self.said.setdefault(name, text) != text:
                problems.append(f"line {line}: {name} is another than on line {self.line}")
        return problems


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with their line, files as full paths; rows without any text are left out."""
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise InvalidArgument(
            f"{str(file)!r} cannot be read: {error.strerror or error}", hint="check the path and its permissions"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{file.name} is not in UTF-8: {error}", hint="save it as CSV in UTF-8") from error
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        names = [_column(name) for name in next(reader, [])]
        if sorted(set(names)) != sorted(names) or not {"subject", "picture"} <= set(names) or set(names) - set(COLUMNS):
            raise InvalidArgument(
                f"{file.name} has the columns {', '.join(names) or 'none'}",
                hint=f"subject and picture are needed, each column once; known: {', '.join(COLUMNS)}",
            )
        for fields in reader:
            if not any(value.strip() for value in fields):
                continue
            if len(fields) != len(names):
                raise InvalidArgument(
                    f"{file.name}, line {reader.line_num}: {len(fields)} fields where the header has {len(names)}",
                    hint="put text that holds the separator in quotes",
                )
            row = {name: value.strip() for name, value in zip(names, fields, strict=True)}
            row |= {name: str(file.parent / row[name]) for name in _FILES if row.get(name)}
            if "adult" in row:
                row["adult"] = row["adult"].lower()
            yield reader.line_num, row
    except csv.Error as error:
        raise InvalidArgument(f"{file.name}, line {reader.line_num}: {error}", hint="save it as CSV again") from error


def _column(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]
