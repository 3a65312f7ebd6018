"""The consent record, after ISO/IEC TS 27560: what a subject agreed to, with evidence, and what became of it.

A record is immutable; :meth:`Consent.transition` returns a new one with one more event. This is engineering, not legal
advice: a valid record is no proof that the consent was freely given.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

import rfc8785
from pydantic import AfterValidator, BaseModel, Field, ModelWrapValidatorHandler, ValidationError, model_validator

from facematch.errors import ConsentInvalid, ConsentTransitionError, FacematchError, InvalidArgument
from facematch.governance.clock import to_utc, utc_now
from facematch.governance.files import EVIDENCE_HINT, NOTICE_HINT, evidence_digest, notice_of
from facematch.governance.identifiers import check_name
from facematch.governance.record import (
    CONFIG,
    ConsentEvent,
    Controller,
    Name,
    PrivacyNotice,
    Purpose,
    Sha256,
    Site,
    SubjectId,
)
from facematch.governance.states import OPEN_STATES, TRANSITIONS, ConsentState

__all__ = ["MAX_VALIDITY", "Consent"]

MAX_VALIDITY = timedelta(days=730)
"""The longest that one GIVEN or RENEWED event may last: 24 months."""

_EXPLICIT = "explicit-consent"
_LANGUAGE = re.compile(
    r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
)


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


def _without_repeats(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError("names must not repeat")
    return values


class Consent(BaseModel):
    """A consent record. Make one with :meth:`given`; read one back with :meth:`from_json`.

    Attributes:
        schema_version: Version of this layout.
        record_id: Random UUID of the record.
        subject_id: The subject whose consent it is.
        privacy_notice: What the subject was shown, by digest.
        language: Language of the notice, as a BCP 47 tag.
        purposes: What for; at least one, each in lower-case kebab form.
        lawful_basis: ``"explicit-consent"``; any other needs a policy that lists it and is refused.
        personal_data: Categories of personal data that are processed.
        controller: Who decides why and how.
        collection_method: How the consent was collected.
        recipients: Who receives the data; empty means explicitly nobody.
        withdrawal_method: How the subject can withdraw.
        sites: Where; **empty means every site** (and searches that name no site). A record that lists sites covers
            only searches that name one of them.
        adult_attested: Somebody attested that the subject is an adult; always true, age is never estimated.
        evidence_sha256: SHA-256 (hex) of the evidence, such as a signed form. The evidence itself is not stored.
        events: What happened to the record, oldest first; only ever appended to.

    Raises:
        ConsentInvalid: A field is missing, malformed or contradicts another.
    """

    model_config = CONFIG

    schema_version: Literal[1] = 1
    record_id: Annotated[str, AfterValidator(_checked_record_id)]
    subject_id: SubjectId
    privacy_notice: PrivacyNotice
    language: Annotated[str, AfterValidator(_checked_language)]
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=64), AfterValidator(_without_repeats)]
    lawful_basis: str = _EXPLICIT
    personal_data: Annotated[tuple[Name, ...], Field(min_length=1)] = ("face image", "biometric template")
    controller: Controller = Controller()
    collection_method: Name = "given to the controller in person or in writing"
    recipients: tuple[Name, ...] = ()
    withdrawal_method: Name = "tell the controller; it takes effect with the next search"
    sites: Annotated[tuple[Site, ...], Field(max_length=4096), AfterValidator(_without_repeats)] = ()
    adult_attested: Literal[True]
    evidence_sha256: Sha256
    events: Annotated[tuple[ConsentEvent, ...], Field(min_length=1)]

    @model_validator(mode="wrap")
    @classmethod
    def _as_facematch_errors(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            record = handler(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "record"
            raise ConsentInvalid(
                f"consent record: {where}: {first['msg']}", hint=_HINTS.get(where.split(".")[0], _HINT)
            ) from None
        except FacematchError as error:  # raised by the shared validators of names and times
            raise ConsentInvalid(f"consent record: {error.message}", hint=error.hint or _HINT) from error
        _check(record)
        return record

    @classmethod
    def given(
        cls,
        *,
        subject_id: str,
        purposes: Sequence[str],
        notice: str | os.PathLike[str] | bytes,
        language: str,
        evidence: str | os.PathLike[str],
        adult_attested: bool,
        valid_for: timedelta,
        sites: Sequence[str] = (),
        actor: str = "controller",
        now: datetime | None = None,
        notice_uri: str | None = None,
        lawful_basis: str = _EXPLICIT,
        controller: Controller | None = None,
        collection_method: str | None = None,
        recipients: Sequence[str] = (),
        withdrawal_method: str | None = None,
    ) -> Self:
        """A record of consent that was given.

        Args:
            subject_id: Opaque identifier of the subject: 1 to 128 visible characters.
            purposes: What for, such as ``["site-access"]``; at least one, in lower-case kebab form.
            notice: The privacy notice that the subject was shown: a path, or its bytes. It is hashed, not stored.
            language: Language of the notice, as a BCP 47 tag.
            evidence: Path of the evidence, such as a signed form. It is hashed, not stored.
            adult_attested: Must be ``True``: somebody attests that the subject is an adult.
            valid_for: How long, more than zero and at most 730 days.
            sites: Where; empty means every site.
            actor: Who records it.
            now: When it was given, timezone-aware; default the present moment.
            notice_uri: Where the notice can be found; default the file's name, or its digest as a URN for bytes.
            lawful_basis: Only ``"explicit-consent"`` is accepted.
            controller: Who decides why and how.
            collection_method: How the consent was collected.
            recipients: Who receives the data; empty means explicitly nobody.
            withdrawal_method: How the subject can withdraw.

        Raises:
            ConsentInvalid: Something is missing, malformed, contradictory, or a file cannot be read.
        """
        if not isinstance(valid_for, timedelta):
            raise ConsentInvalid(
                f"valid_for must be a timedelta, got {type(valid_for).__name__}", hint="pass timedelta(days=365)"
            )
        for values, what in ((purposes, "purposes"), (sites, "sites"), (recipients, "recipients")):
            if isinstance(values, str | bytes):
                raise ConsentInvalid(f"{what} must be a list of names, got one text", hint=f'pass {what}=["..."]')
        try:
            moment = utc_now() if now is None else to_utc(now, "now")
            end = moment + valid_for
        except InvalidArgument as error:
            raise ConsentInvalid(error.message, hint=error.hint) from error
        except OverflowError:
            raise ConsentInvalid("valid_for reaches beyond the year 9999", hint=_HINTS["events"]) from None
        optional = {"collection_method": collection_method, "withdrawal_method": withdrawal_method}
        return cls(
            record_id=str(uuid.uuid4()),
            subject_id=subject_id,
            privacy_notice=notice_of(notice, notice_uri),
            language=language,
            purposes=tuple(purposes),
            lawful_basis=lawful_basis,
            controller=controller if controller is not None else Controller(),
            recipients=tuple(recipients),
            sites=tuple(sites),
            adult_attested=adult_attested,
            evidence_sha256=evidence_digest(evidence),
            events=({"time": moment, "actor": actor, "state": ConsentState.GIVEN, "valid_until": end},),
            **{key: value for key, value in optional.items() if value is not None},
        )

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
        """The record as plain data, ready for JSON."""
        return self.model_dump(mode="json")

    def canonical(self) -> bytes:
        """The record as RFC 8785 canonical JSON."""
        return rfc8785.dumps(self.to_dict())

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of :meth:`canonical`."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @property
    def state(self) -> ConsentState:
        """The state after the latest event. Expiry by time does not show here; see :meth:`in_force`."""
        return self.events[-1].state

    @property
    def valid_from(self) -> datetime | None:
        """When it was first given, UTC; ``None`` while it never was."""
        return next((event.time for event in self.events if event.state in OPEN_STATES), None)

    @property
    def valid_until(self) -> datetime | None:
        """When the latest GIVEN or RENEWED event ends, UTC; ``None`` while it was never given."""
        return next((event.valid_until for event in reversed(self.events) if event.state in OPEN_STATES), None)

    def in_force(self, now: datetime) -> bool:
        """Whether the record allows processing at ``now``: GIVEN or RENEWED, begun, and not ended.

        Raises:
            InvalidArgument: ``now`` has no timezone.
        """
        moment = to_utc(now, "now")
        start, end = self.valid_from, self.valid_until
        return self.state in OPEN_STATES and start is not None and end is not None and start <= moment < end

    def covers(self, purpose: str, site: str | None, now: datetime) -> bool:
        """Whether the record allows a search for ``purpose`` at ``site`` at ``now``.

        A record without sites covers every site and searches without one; a record with sites covers only searches
        that name one of them.

        Raises:
            InvalidArgument: ``now`` has no timezone.
        """
        return self.in_force(now) and purpose in self.purposes and (not self.sites or site in self.sites)

    def transition(
        self,
        state: ConsentState,
        *,
        actor: str,
        time: datetime,
        valid_until: datetime | None = None,
        reason: str | None = None,
    ) -> Self:
        """The record with one more event.

        Args:
            state: The new state; :data:`~facematch.governance.states.TRANSITIONS` says which may follow.
            actor: Who records it.
            time: When, timezone-aware. An end of consent is taken at any time, also by a clock that went backwards.
            valid_until: When the consent ends; needed with GIVEN and RENEWED, refused otherwise.
            reason: Why.

        Raises:
            ConsentTransitionError: The state cannot follow the present one, or the consent has already ended by time.
            ConsentInvalid: The event is malformed, for example an end more than 730 days away.
        """
        try:
            state = ConsentState(state)
            check_name(actor, "actor")
            moment = to_utc(time, "time")
        except InvalidArgument as error:
            raise ConsentInvalid(error.message, hint=error.hint) from error
        except ValueError:
            raise ConsentTransitionError(
                f"there is no consent state {state!r}", hint=f"one of {', '.join(ConsentState)}"
            ) from None
        allowed = TRANSITIONS[self.state]
        if state not in allowed:
            follow = ", ".join(sorted(allowed))
            raise ConsentTransitionError(
                f"a consent record cannot go from {self.state} to {state}",
                hint=f"possible: {follow}" if follow else "the state is final: a new consent record is needed",
            )
        if state in OPEN_STATES and self.valid_until is not None and not self.in_force(moment):
            raise ConsentTransitionError(
                f"the consent is not in force at {moment.isoformat()}, so it cannot become {state}",
                hint="let the subject give a new consent record",
            )
        event = {"time": moment, "actor": actor, "state": state, "valid_until": valid_until, "reason": reason}
        return self.from_dict({**self.to_dict(), "events": [*self.to_dict()["events"], event]})


_HINT = "make records with Consent.given(), which says what each field means"
_HINTS = {
    "adult_attested": "enrolment is for adults only, attested by a person: pass adult_attested=True",
    "language": 'pass the language of the notice, for example language="en"',
    "purposes": 'name at least one purpose once, for example purposes=["site-access"]',
    "evidence_sha256": EVIDENCE_HINT,
    "privacy_notice": NOTICE_HINT,
    "events": "valid_for must be more than zero and at most 730 days",
}


def _check(record: Consent) -> None:
    if record.lawful_basis != _EXPLICIT:
        raise ConsentInvalid(
            f"lawful_basis must be {_EXPLICIT!r}, got {record.lawful_basis!r}",
            hint="another lawful basis needs a policy that lists it, and this version has no such policy",
        )
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
