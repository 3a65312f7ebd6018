"""Consent records after ISO/IEC TS 27560: scope, evidence and events.

A record is immutable; :meth:`Consent.transition` and the verbs that stand on it (:meth:`~Consent.give`,
:meth:`~Consent.renew`, :meth:`~Consent.withdraw` …) return a new one with one more event. This is engineering, not
legal advice: a valid record is no proof that the consent was freely given.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self, Unpack

from facematch.errors import ConsentInvalid, ConsentTransitionError, InvalidArgument
from facematch.governance.consent.evidence import evidence_digest, notice_of
from facematch.governance.consent.fields import MAX_VALIDITY, ConsentLayout, Particulars
from facematch.governance.consent.scope import covers, in_force
from facematch.governance.consent.states import OPEN_STATES, TRANSITIONS, ConsentState
from facematch.governance.names import check_name, check_text
from facematch.governance.time import to_microseconds, to_utc, utc_now

__all__ = ["MAX_VALIDITY", "Consent", "Particulars"]

_LISTS = ("purposes", "sites", "zones", "recipients", "storage_locations")


class Consent(ConsentLayout):
    """A consent record. Make one with :meth:`given` or :meth:`requested`; read one back with :meth:`from_json`.

    The fields are those of ``facematch.governance.consent.fields.ConsentLayout``.

    Raises:
        ConsentInvalid: A field is missing, malformed or contradicts another.
    """

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
        **particulars: Unpack[Particulars],
    ) -> Self:
        """A record of consent that was given.

        Args:
            subject_id: Opaque identifier of the subject: 1 to 128 visible characters.
            purposes: What for, such as ``["site-access"]``; at least one, in lower-case kebab form.
            notice: The privacy notice that the subject was shown: a path, or its bytes. It is hashed, not stored.
            language: Language of the notice, as a BCP 47 tag.
            evidence: Path of the evidence, such as a signed form. It is hashed, not stored.
            adult_attested: Must be ``True``: a person attests that the subject is an adult.
            valid_for: How long, more than zero and at most 730 days.
            sites: Where; empty means every site.
            actor: Who records it.
            now: When it was given, timezone-aware; default the present moment.
            **particulars: What else the record says; see :class:`Particulars`.

        Raises:
            ConsentInvalid: Something is missing, malformed, contradictory, or a file cannot be read.
        """
        moment = _moment(now)
        end = _end(moment, valid_for, None)
        return cls._recorded(
            {"time": moment, "actor": actor, "state": ConsentState.GIVEN, "valid_until": end},
            notice,
            particulars,
            subject_id=subject_id,
            purposes=purposes,
            language=language,
            evidence_sha256=evidence_digest(evidence),
            adult_attested=adult_attested,
            sites=sites,
        )

    @classmethod
    def requested(
        cls,
        *,
        subject_id: str,
        purposes: Sequence[str],
        notice: str | os.PathLike[str] | bytes,
        language: str,
        adult_attested: bool,
        sites: Sequence[str] = (),
        actor: str = "controller",
        now: datetime | None = None,
        **particulars: Unpack[Particulars],
    ) -> Self:
        """A record of consent that was asked for and not answered yet: nothing may be processed under it.

        The arguments are those of :meth:`given`, without the evidence and the end, which :meth:`give` takes.

        Raises:
            ConsentInvalid: Something is missing, malformed, contradictory, or a file cannot be read.
        """
        return cls._recorded(
            {"time": _moment(now), "actor": actor, "state": ConsentState.REQUESTED},
            notice,
            particulars,
            subject_id=subject_id,
            purposes=purposes,
            language=language,
            adult_attested=adult_attested,
            sites=sites,
        )

    @classmethod
    def _recorded(cls, event: Mapping[str, Any], notice: object, particulars: Particulars, /, **fields: object) -> Self:
        said = {name: value for name, value in particulars.items() if value is not None}
        said.pop("notice_uri", None)
        unknown = sorted(set(said) - set(Particulars.__annotations__))
        if unknown:
            raise ConsentInvalid(
                f"a consent record has no {unknown[0]}", hint=f"known: {', '.join(Particulars.__annotations__)}"
            )
        data = {**said, **fields}
        for name in _LISTS:
            value = data.get(name, ())
            if isinstance(value, str | bytes):
                raise ConsentInvalid(f"{name} must be a list of names, got one text", hint=f'pass {name}=["..."]')
        return cls.from_dict(
            {
                **data,
                "record_id": str(uuid.uuid4()),
                "privacy_notice": notice_of(notice, particulars.get("notice_uri")),
                "events": [event],
            }
        )

    @property
    def state(self) -> ConsentState:
        """The state after the latest event. Expiry by time does not show here; see :meth:`in_force`."""
        return self.events[-1].state

    @property
    def valid_from(self) -> datetime | None:
        """Moment at which it was first given, UTC; ``None`` while it never was."""
        return next((event.time for event in self.events if event.state in OPEN_STATES), None)

    @property
    def valid_until(self) -> datetime | None:
        """End of the latest GIVEN or RENEWED event, UTC; ``None`` while it was never given."""
        return next((event.valid_until for event in reversed(self.events) if event.state in OPEN_STATES), None)

    @property
    def evidence_digests(self) -> tuple[str, ...]:
        """SHA-256 (hex) of all evidence, oldest first: the record's own, then that of its events."""
        found = (self.evidence_sha256, *(event.evidence_sha256 for event in self.events))
        return tuple(digest for digest in found if digest is not None)

    def in_force(self, now: datetime) -> bool:
        """Whether the record allows processing at ``now``: GIVEN or RENEWED, begun, and not ended.

        Raises:
            InvalidArgument: ``now`` has no timezone.
        """
        moment = to_microseconds(to_utc(now, "now"))
        start, end = self.valid_from, self.valid_until
        if start is None or end is None:
            return False
        is_open = self.state in OPEN_STATES
        return in_force(
            is_open=is_open, valid_from=to_microseconds(start), valid_until=to_microseconds(end), moment=moment
        )

    def covers(self, purpose: str, site: str | None, now: datetime, zone: str | None = None) -> bool:
        """Whether the record allows a search for ``purpose`` at ``site``, in ``zone`` of it, at ``now``.

        What a scope covers is said by ``facematch.governance.consent.scope.covers``.

        Raises:
            InvalidArgument: ``now`` has no timezone.
        """
        there = covers(self.purposes, self.sites, self.zones, purpose=purpose, site=site, zone=zone)
        return there and self.in_force(now)

    def give(
        self,
        *,
        evidence: str | os.PathLike[str],
        actor: str,
        valid_for: timedelta | None = None,
        valid_until: datetime | None = None,
        now: datetime | None = None,
    ) -> Self:
        """Record of a request, given by the subject.

        Args:
            evidence: Path of the evidence; its digest is kept in the event.
            actor: Who records it.
            valid_for: How long; either this or ``valid_until``.
            valid_until: Until when, timezone-aware.
            now: When it was given; default the present moment.

        Raises:
            ConsentTransitionError: The record is not REQUESTED.
            ConsentInvalid: The evidence cannot be read, or the end is missing or more than 730 days away.
        """
        if self.state is not ConsentState.REQUESTED:
            raise ConsentTransitionError(
                f"only a requested consent can be given, and this one is {self.state}",
                hint="renew() prolongs a consent in force; after an end, the subject gives a new record",
            )
        moment = _moment(now)
        end = _end(moment, valid_for, valid_until)
        return self.transition(
            ConsentState.GIVEN, actor=actor, time=moment, valid_until=end, evidence_sha256=evidence_digest(evidence)
        )

    def refuse(self, *, actor: str, now: datetime | None = None, reason: str | None = None) -> Self:
        """Record of a request, refused by the subject.

        Raises:
            ConsentTransitionError: The record is not REQUESTED.
        """
        return self.transition(ConsentState.REFUSED, actor=actor, time=_moment(now), reason=reason)

    def renew(
        self,
        valid_for: timedelta | None = None,
        *,
        evidence: str | os.PathLike[str],
        actor: str,
        valid_until: datetime | None = None,
        now: datetime | None = None,
    ) -> Self:
        """The record, given again before it ended, on new evidence.

        Args:
            valid_for: How long from now; either this or ``valid_until``.
            evidence: Path of the evidence of the renewal, another than before; its digest is kept in the event.
            actor: Who records it.
            valid_until: Until when, timezone-aware.
            now: When it was renewed; default the present moment.

        Raises:
            ConsentTransitionError: The consent is not in force.
            ConsentInvalid: The evidence cannot be read or is what the record already stands on, or the end is missing
                or more than 730 days away.
        """
        digest = evidence_digest(evidence)
        if digest in self.evidence_digests:
            raise ConsentInvalid(
                "the evidence of the renewal is what the consent already stands on",
                hint="let the subject sign again: a renewal is a new consent, not a longer old one",
            )
        moment = _moment(now)
        end = _end(moment, valid_for, valid_until)
        return self.transition(ConsentState.RENEWED, actor=actor, time=moment, valid_until=end, evidence_sha256=digest)

    def withdraw(self, *, actor: str, now: datetime | None = None, reason: str | None = None) -> Self:
        """The record, ended by the subject.

        Raises:
            ConsentTransitionError: There is nothing to end.
        """
        return self.transition(ConsentState.WITHDRAWN, actor=actor, time=_moment(now), reason=reason)

    def revoke(self, *, actor: str, reason: str, now: datetime | None = None) -> Self:
        """The record, ended by the controller.

        Raises:
            ConsentTransitionError: There is nothing to end.
            ConsentInvalid: No reason is given.
        """
        return self.transition(ConsentState.REVOKED, actor=actor, time=_moment(now), reason=_reason(reason))

    def expire(self, *, actor: str, now: datetime | None = None) -> Self:
        """The record, ended by time.

        Raises:
            ConsentTransitionError: Its end has not come yet, or there is nothing to end.
        """
        moment, end = _moment(now), self.valid_until
        if self.state in OPEN_STATES and end is not None and moment < end:
            raise ConsentTransitionError(
                f"the consent lasts until {end.isoformat()}, so it has not expired",
                hint="withdraw() ends it for the subject, revoke() for the controller",
            )
        return self.transition(ConsentState.EXPIRED, actor=actor, time=moment)

    def invalidate(self, *, actor: str, reason: str, now: datetime | None = None) -> Self:
        """The record, found out not to have been valid.

        Raises:
            ConsentTransitionError: There is nothing to end.
            ConsentInvalid: No reason is given.
        """
        return self.transition(ConsentState.INVALIDATED, actor=actor, time=_moment(now), reason=_reason(reason))

    def transition(
        self,
        state: ConsentState,
        *,
        actor: str,
        time: datetime,
        valid_until: datetime | None = None,
        reason: str | None = None,
        evidence_sha256: str | None = None,
    ) -> Self:
        """The record with one more event.

        Args:
            state: The new state; ``facematch.governance.consent.states.TRANSITIONS`` says which may follow.
            actor: Who records it.
            time: When, timezone-aware. An end of consent is taken at any time, also by a clock that went backwards.
            valid_until: When the consent ends; needed with GIVEN and RENEWED, refused otherwise.
            reason: Why.
            evidence_sha256: SHA-256 (hex) of the evidence of this step.

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
        data = self.to_dict()
        return self.from_dict({**data, "events": [*data["events"], {**event, "evidence_sha256": evidence_sha256}]})


def _moment(now: datetime | None) -> datetime:
    try:
        return utc_now() if now is None else to_utc(now, "now")
    except InvalidArgument as error:
        raise ConsentInvalid(error.message, hint=error.hint) from error


def _end(moment: datetime, valid_for: timedelta | None, valid_until: datetime | None) -> datetime:
    if (valid_for is None) == (valid_until is None):
        raise ConsentInvalid("a consent needs one end: valid_for or valid_until", hint="pass valid_for=timedelta(...)")
    if valid_until is not None:
        try:
            return to_utc(valid_until, "valid_until")
        except InvalidArgument as error:
            raise ConsentInvalid(error.message, hint=error.hint) from error
    if not isinstance(valid_for, timedelta):
        raise ConsentInvalid(
            f"valid_for must be a timedelta, got {type(valid_for).__name__}", hint="pass timedelta(days=365)"
        )
    try:
        return moment + valid_for
    except OverflowError:
        raise ConsentInvalid(
            "valid_for reaches beyond the year 9999", hint="valid_for must be more than zero and at most 730 days"
        ) from None


def _reason(reason: object) -> str:
    try:
        return check_text(reason, "reason")
    except InvalidArgument as error:
        raise ConsentInvalid(error.message, hint=error.hint) from error
