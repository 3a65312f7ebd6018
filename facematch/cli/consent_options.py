"""Options that make a consent record, shared by ``enroll`` and ``consent record``."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from facematch.errors import ConsentRequired

if TYPE_CHECKING:
    from facematch.governance import Consent, Particulars

__all__ = [
    "Adult",
    "Assessment",
    "Category",
    "Contact",
    "ControllerName",
    "Evidence",
    "Incident",
    "Jurisdiction",
    "Language",
    "LawfulBasis",
    "Notice",
    "Purposes",
    "Reason",
    "Recipients",
    "RecordId",
    "Sites",
    "Source",
    "Terms",
    "ValidFor",
    "Zones",
]

Purposes: TypeAlias = Annotated[
    list[str] | None, typer.Option("--purpose", help="Purpose that the subject agreed to; may be repeated.")
]
Sites: TypeAlias = Annotated[
    list[str] | None, typer.Option("--site", help="Site that the consent is limited to; may be repeated.")
]
Zones: TypeAlias = Annotated[
    list[str] | None, typer.Option("--zone", help="Zone of the sites that it is limited to; may be repeated.")
]
Notice: TypeAlias = Annotated[Path | None, typer.Option("--notice", help="Privacy notice that was shown; hashed.")]
Language: TypeAlias = Annotated[str | None, typer.Option("--language", help="Language of the notice, such as en.")]
Evidence: TypeAlias = Annotated[
    Path | None, typer.Option("--evidence", help="Evidence, such as a signed form; hashed.")
]
Adult: TypeAlias = Annotated[bool, typer.Option("--adult", help="You attest that the subject is an adult.")]
ValidFor: TypeAlias = Annotated[str, typer.Option("--valid-for", help="How long the consent holds: 365d, 52w, 36h.")]
LawfulBasis: TypeAlias = Annotated[
    str | None,
    typer.Option("--lawful-basis", help="Lawful basis [default: explicit-consent]; another needs --assessment."),
]
Category: TypeAlias = Annotated[
    str | None, typer.Option("--category", help="Why the subject is on the list, such as staff; never demographic.")
]
Incident: TypeAlias = Annotated[str | None, typer.Option("--incident", help="Opaque id of the incident behind it.")]
Source: TypeAlias = Annotated[
    str | None, typer.Option("--source", help="Where the pictures come from, such as live-capture.")
]
Assessment: TypeAlias = Annotated[
    str | None, typer.Option("--assessment", help="Reference of the assessment of necessity and impact.")
]
Recipients: TypeAlias = Annotated[
    list[str] | None, typer.Option("--recipient", help="Who may receive the data; may be repeated [default: nobody].")
]
ControllerName: TypeAlias = Annotated[
    str | None, typer.Option("--controller", help="Who decides why and how the data is used.")
]
Contact: TypeAlias = Annotated[str | None, typer.Option("--contact", help="Where subjects reach the controller.")]
Jurisdiction: TypeAlias = Annotated[
    str | None, typer.Option("--jurisdiction", help="Code after ISO 3166, such as IE or US-IL.")
]

Reason: TypeAlias = Annotated[str, typer.Option("--reason", help="Why; required. Sealed under the subject's key.")]
RecordId: TypeAlias = Annotated[
    str | None, typer.Option("--record", help="Id of the consent record [default: the latest].")
]


@dataclass(frozen=True, slots=True)
class Terms:
    """Options that make a consent record; ``None``, empty and false say nothing."""

    purpose: Purposes = None
    site: Sites = None
    zone: Zones = None
    notice: Notice = None
    language: Language = None
    evidence: Evidence = None
    adult: Adult = False
    valid_for: ValidFor = "365d"
    lawful_basis: LawfulBasis = None
    category: Category = None
    incident: Incident = None
    source: Source = None
    assessment: Assessment = None
    recipient: Recipients = None
    controller: ControllerName = None
    contact: Contact = None
    jurisdiction: Jurisdiction = None

    @property
    def say_something(self) -> bool:
        """Whether any of the options but the duration was given."""
        return any(astuple(replace(self, valid_for="")))

    def given(self, subject: str, *, actor: str) -> Consent:
        """The record of a consent that was given now.

        Raises:
            ConsentRequired: An option that every record needs is missing.
            ConsentInvalid: A value is malformed, or a file cannot be read.
            InvalidArgument: The option ``--valid-for`` is no duration.
        """
        from facematch.governance import Consent
        from facematch.governance.time import parse_duration

        if not (self.purpose and self.notice and self.language and self.evidence):
            raise ConsentRequired(
                "a consent record needs --purpose, --notice, --language and --evidence",
                hint="facematch enroll --help shows an example",
            )
        return Consent.given(
            subject_id=subject,
            purposes=self.purpose,
            sites=self.site or [],
            notice=self.notice,
            language=self.language,
            evidence=self.evidence,
            adult_attested=self.adult,
            valid_for=parse_duration(self.valid_for),
            actor=actor,
            **self._particulars(),
        )

    def by_column(self) -> dict[str, str]:
        """Values of the options, by the columns of a listing."""
        said: dict[str, str | Path | list[str] | None] = {
            "purpose": self.purpose,
            "site": self.site,
            "zone": self.zone,
            "recipient": self.recipient,
            "notice": self.notice,
            "language": self.language,
            "evidence": self.evidence,
            "adult": "yes" if self.adult else None,
            "valid-for": self.valid_for,
            "lawful-basis": self.lawful_basis,
            "category": self.category,
            "incident": self.incident,
            "source": self.source,
            "assessment": self.assessment,
            "controller": self.controller,
            "contact": self.contact,
            "jurisdiction": self.jurisdiction,
        }
        return {
            name: "|".join(value) if isinstance(value, list) else str(value) for name, value in said.items() if value
        }

    def requested(self, subject: str, *, actor: str) -> Consent:
        """The record of a consent that was asked for now and not answered yet.

        Raises:
            ConsentRequired: An option that every record needs is missing.
            ConsentInvalid: A value is malformed, or the notice cannot be read.
        """
        from facematch.governance import Consent

        if not (self.purpose and self.notice and self.language):
            raise ConsentRequired(
                "a request for consent needs --purpose, --notice and --language",
                hint="facematch consent record --help shows an example",
            )
        return Consent.requested(
            subject_id=subject,
            purposes=self.purpose,
            sites=self.site or [],
            notice=self.notice,
            language=self.language,
            adult_attested=self.adult,
            actor=actor,
            **self._particulars(),
        )

    def _particulars(self) -> Particulars:
        from facematch.governance.consent.parts import Controller
        from facematch.governance.names import check_name

        found: Particulars = {
            "zones": self.zone or [],
            "category": self.category,
            "incident_id": self.incident,
            "source": self.source,
            "impact_assessment": self.assessment,
            "recipients": self.recipient or [],
            "jurisdiction": self.jurisdiction,
        }
        if self.lawful_basis is not None:
            found["lawful_basis"] = self.lawful_basis
        stated = {"name": self.controller, "contact": self.contact}
        said = {what: check_name(text, f"the controller's {what}") for what, text in stated.items() if text is not None}
        if said:
            found["controller"] = Controller(**said)
        return found
