"""The fields of a consent record, after ISO/IEC TS 27560: their validation, and the canonical form that is digested.

Two versions of the layout are read. Version 1 has none of the fields in :data:`ADDED_IN_2`; version 2 may have them
and leaves out those that say nothing. So the canonical form, and with it the digest, of a record of version 1 never
changes.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self, TypedDict, cast

import rfc8785
from pydantic import AfterValidator, BaseModel, Field, ModelWrapValidatorHandler, ValidationError, model_validator

from facematch.errors import ConsentInvalid
from facematch.governance.consent.evidence import EVIDENCE_HINT, NOTICE_HINT
from facematch.governance.consent.parts import (
    CONFIG,
    ConsentEvent,
    Controller,
    Name,
    PrivacyNotice,
    Purpose,
    Reference,
    Sha256,
    Site,
    SubjectId,
    ZoneName,
    first_problem,
)
from facematch.governance.consent.states import OPEN_STATES, TRANSITIONS, ConsentState
from facematch.governance.terms import EXPLICIT_CONSENT, check_category, check_lawful_basis, check_source

__all__ = ["ADDED_IN_2", "MAX_VALIDITY", "ConsentLayout", "Particulars"]

MAX_VALIDITY = timedelta(days=730)
"""The longest that one GIVEN or RENEWED event may last: 24 months. A policy may allow less."""

ADDED_IN_2: Final = (
    "zones",
    "category",
    "incident_id",
    "storage_locations",
    "retention",
    "jurisdiction",
    "impact_assessment",
    "source",
    "vulnerable",
    "policy_version",
)
"""The fields that version 2 of the layout added. Each is left out of the plain form where it says nothing."""

_LANGUAGE = re.compile(
    r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
)
_JURISDICTION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")

_HINT = "make records with Consent.given(), which says what each field means"
_HINTS = {
    "adult_attested": "enrollment is for adults only, attested by a person: pass adult_attested=True",
    "language": 'pass the language of the notice, for example language="en"',
    "purposes": 'name at least one purpose once, for example purposes=["site-access"]',
    "evidence_sha256": EVIDENCE_HINT,
    "privacy_notice": NOTICE_HINT,
    "events": "valid_for must be more than zero and at most 730 days",
}


def _checked_record_id(value: str) -> str:
    try:
        parsed = uuid.UUID(value)
    except ValueError:
        parsed = None
    if parsed is None or parsed.version != 4 or str(parsed) != value:
        raise ValueError("record_id must be a random UUID (version 4) in its canonical lower-case form")
    return value


def _checked_language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError('language must be a BCP 47 tag such as "en", "pt-BR" or "zh-Hant-TW"')
    return value


def _checked_jurisdiction(value: str) -> str:
    if not _JURISDICTION.fullmatch(value):
        raise ValueError('jurisdiction must be a code after ISO 3166 such as "IE" or "US-IL", or "EU"')
    return value


def _without_repeats(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError("names must not repeat")
    return values


_Once = AfterValidator(_without_repeats)


class Particulars(TypedDict, total=False):
    """Optional fields of a consent record, given or requested.

    Attributes:
        notice_uri: Where the notice can be found; default the file's name, or its digest as a URN for bytes.
        lawful_basis: Default ``"explicit-consent"``. Another of the closed list needs ``impact_assessment``, and a
            policy that lists it.
        controller: Who decides why and how.
        collection_method: How the consent was collected.
        recipients: Recipients of the data; empty means explicitly none.
        withdrawal_method: How the subject can withdraw.
        zones: Areas of the sites; empty means every zone of them.
        category: Why the subject is on the list, as a kebab name; demographic ones are refused.
        incident_id: Opaque identifier of the incident behind it.
        storage_locations: Where the data is kept.
        retention: How long it is kept, in words.
        jurisdiction: Code after ISO 3166, such as ``"IE"`` or ``"US-IL"``.
        impact_assessment: Reference of the assessment of necessity and impact.
        source: Where the pictures come from, such as ``"live-capture"``; never ``"scraped"``.
        vulnerable: The subject is marked as a vulnerable person.
        policy_version: Version of the policy in force.
    """

    notice_uri: str | None
    lawful_basis: str
    controller: Controller | None
    collection_method: str | None
    recipients: Sequence[str]
    withdrawal_method: str | None
    zones: Sequence[str]
    category: str | None
    incident_id: str | None
    storage_locations: Sequence[str]
    retention: str | None
    jurisdiction: str | None
    impact_assessment: str | None
    source: str | None
    vulnerable: bool
    policy_version: int | None


class ConsentLayout(BaseModel):
    """The fields of a consent record; its transitions are in :mod:`facematch.governance.consent.consent`.

    Attributes:
        schema_version: Version of this layout; chosen by itself where it is not given.
        record_id: Random UUID of the record.
        subject_id: The subject whose consent it is.
        privacy_notice: What the subject was shown, by digest.
        language: Language of the notice, as a BCP 47 tag.
        purposes: What for; at least one, each in lower-case kebab form.
        lawful_basis: ``"explicit-consent"``, or another of :data:`~facematch.governance.terms.LAWFUL_BASES`, which
            needs evidence and ``impact_assessment`` here, and a policy that lists it.
        personal_data: Categories of personal data that are processed.
        controller: Who decides why and how.
        collection_method: How the consent was collected.
        recipients: Recipients of the data; empty means explicitly none.
        withdrawal_method: How the subject can withdraw.
        sites: Where; **empty means every site** (and searches that name no site). A record that lists sites covers
            only searches that name one of them.
        zones: Which areas of the sites; empty means every zone of them. Zones need sites.
        category: Why the subject is on the list, as a kebab name that says nothing demographic, or ``None``.
        incident_id: Opaque identifier of the incident behind it, or ``None``.
        storage_locations: Where the data is kept.
        retention: How long it is kept, in words.
        jurisdiction: Code after ISO 3166, such as ``"IE"`` or ``"US-IL"``.
        impact_assessment: Reference of the assessment of necessity and impact.
        source: Where the pictures come from, one of :data:`~facematch.governance.terms.SOURCES`; never ``scraped``.
        vulnerable: The subject is marked as a vulnerable person; every policy refuses to enroll them.
        policy_version: Version of the policy that was in force, from 1.
        adult_attested: A person attested that the subject is an adult; always true, age is never estimated.
        evidence_sha256: SHA-256 (hex) of the evidence, such as a signed form; ``None`` only in a record that begins
            with REQUESTED, where the event GIVEN carries it. The evidence itself is not stored.
        events: What happened to the record, oldest first; only ever appended to.

    Raises:
        ConsentInvalid: A field is missing, malformed or contradicts another.
    """

    model_config = CONFIG

    schema_version: Literal[1, 2] = 1
    record_id: Annotated[str, AfterValidator(_checked_record_id)]
    subject_id: SubjectId
    privacy_notice: PrivacyNotice
    language: Annotated[str, AfterValidator(_checked_language)]
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=64), _Once]
    lawful_basis: Annotated[str, AfterValidator(check_lawful_basis)] = EXPLICIT_CONSENT
    personal_data: Annotated[tuple[Name, ...], Field(min_length=1)] = ("face image", "biometric template")
    controller: Controller = Controller()
    collection_method: Name = "given to the controller in person or in writing"
    recipients: tuple[Name, ...] = ()
    withdrawal_method: Name = "tell the controller; it takes effect with the next search"
    sites: Annotated[tuple[Site, ...], Field(max_length=4096), _Once] = ()
    zones: Annotated[tuple[ZoneName, ...], Field(max_length=4096), _Once] = ()
    category: Annotated[str, AfterValidator(check_category)] | None = None
    incident_id: Name | None = None
    storage_locations: Annotated[tuple[Name, ...], Field(max_length=64), _Once] = ()
    retention: Reference | None = None
    jurisdiction: Annotated[str, AfterValidator(_checked_jurisdiction)] | None = None
    impact_assessment: Reference | None = None
    source: Annotated[str, AfterValidator(check_source)] | None = None
    vulnerable: Annotated[bool, Field(strict=True)] = False
    policy_version: Annotated[int, Field(strict=True, ge=1, le=10**9)] | None = None
    adult_attested: Literal[True]
    evidence_sha256: Sha256 | None = None
    events: Annotated[tuple[ConsentEvent, ...], Field(min_length=1)]

    @model_validator(mode="wrap")
    @classmethod
    def _as_facematch_errors(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, Mapping) and "schema_version" not in data:
            data = {**data, "schema_version": _version_needed(data)}
        try:
            record = handler(data)
        except ValidationError as error:
            where, message, hint = first_problem(error)
            hint = hint or _HINTS.get(where.split(".")[0], _HINT)
            raise ConsentInvalid(f"consent record: {where or 'record'}: {message}", hint=hint) from None
        _check(record)
        return record

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """A record from plain data, validated.

        Raises:
            ConsentInvalid: It is no valid record.
        """
        return cls.model_validate(data)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """A record from its JSON form, validated.

        Raises:
            ConsentInvalid: It is no JSON, or no valid record.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConsentInvalid("the consent record is not valid JSON", hint=_HINT) from error
        return cls.from_dict(data)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data, ready for JSON. What version 1 did not have is left out where it says nothing."""
        data = self.model_dump(mode="json")
        for name in (*ADDED_IN_2, "evidence_sha256"):
            if _says_nothing(data[name]):
                del data[name]
        for event in cast("list[dict[str, Any]]", data["events"]):
            if event["evidence_sha256"] is None:
                del event["evidence_sha256"]
        return data

    def canonical(self) -> bytes:
        """The record as RFC 8785 canonical JSON."""
        return rfc8785.dumps(self.to_dict())

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of :meth:`canonical`."""
        return hashlib.sha256(self.canonical()).hexdigest()


def _says_nothing(value: object) -> bool:
    return value is None or value is False or (isinstance(value, tuple | list) and not value)


def _version_needed(data: Mapping[str, Any]) -> int:
    added = any(not _says_nothing(data.get(name)) for name in ADDED_IN_2)
    return 2 if added or data.get("evidence_sha256") is None else 1


def _check(record: ConsentLayout) -> None:
    if record.schema_version == 1:
        found = [name for name in ADDED_IN_2 if not _says_nothing(getattr(record, name))]
        if found:
            raise ConsentInvalid(
                f"a consent record of schema_version 1 has no {found[0]}", hint="leave schema_version out"
            )
    if record.zones and not record.sites:
        raise ConsentInvalid("zones are areas of sites, and no site is listed", hint="name the sites of the zones")
    if record.lawful_basis != EXPLICIT_CONSENT and record.impact_assessment is None:
        raise ConsentInvalid(
            f"lawful_basis {record.lawful_basis!r} needs an assessment of necessity and impact",
            hint="pass impact_assessment= its reference; the policy has to list the basis too",
        )
    _check_evidence(record)
    previous: ConsentEvent | None = None
    for event in record.events:
        if previous is None:
            if event.state not in {ConsentState.REQUESTED, ConsentState.GIVEN}:
                raise ConsentInvalid(
                    f"a consent record begins with REQUESTED or GIVEN, not {event.state}",
                    hint="make records with Consent.given() and change them with transition()",
                )
        elif event.state not in TRANSITIONS[previous.state]:
            raise ConsentInvalid(
                f"a consent record cannot go from {previous.state} to {event.state}",
                hint="change records with transition() only",
            )
        _check_validity(event)
        previous = event


def _check_evidence(record: ConsentLayout) -> None:
    """Evidence is there from the beginning, or arrives with the event that gives a consent that was requested."""
    if record.evidence_sha256 is not None:
        return
    requested = record.schema_version > 1 and record.events[0].state is ConsentState.REQUESTED
    if not requested or record.lawful_basis != EXPLICIT_CONSENT:
        raise ConsentInvalid("consent record: evidence_sha256: the evidence is missing", hint=EVIDENCE_HINT)
    first_given = next((event for event in record.events if event.state is ConsentState.GIVEN), None)
    if first_given is not None and first_given.evidence_sha256 is None:
        raise ConsentInvalid("the consent was requested and given without evidence", hint=EVIDENCE_HINT)


def _check_validity(event: ConsentEvent) -> None:
    if event.state not in OPEN_STATES:
        if event.valid_until is not None:
            raise ConsentInvalid(
                f"an event {event.state} has no end of validity", hint="give valid_until with GIVEN and RENEWED only"
            )
        return
    if event.valid_until is None:
        raise ConsentInvalid(f"an event {event.state} needs an end of validity", hint="pass valid_until")
    if not timedelta(0) < event.valid_until - event.time <= MAX_VALIDITY:
        raise ConsentInvalid(
            f"consent must last more than zero and at most {MAX_VALIDITY.days} days, "
            f"got {event.valid_until - event.time}",
            hint="shorten valid_for; a renewal can follow before it ends",
        )
