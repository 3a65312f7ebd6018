"""Reports from the live configuration of a watchlist; what they say is in :mod:`facematch.governance.reports`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Final, Protocol, cast, runtime_checkable

from sqlalchemy import Connection, func, select

from facematch.errors import MissingExtra, ModelError
from facematch.governance import AuditAction, Consent, from_microseconds, to_microseconds
from facematch.governance.consent.scope import OPEN_STATE_NAMES, SubjectState, subject_state
from facematch.governance.names import check_site
from facematch.governance.reports import (
    AuditFacts,
    ComplaintFacts,
    Configuration,
    ConsentFacts,
    KeyFacts,
    ModelFacts,
    NoticeFacts,
    Party,
    Statements,
    SuspensionFacts,
    Tally,
    ZoneFacts,
    impact_input,
    processing_record,
    tallies,
    transparency_notice,
)
from facematch.governance.zones import Zone
from facematch.reporting import Report, ReportFormat, render
from facematch.storage.audit_log.state import read_head
from facematch.storage.calibrations import current_calibration
from facematch.storage.schema import (
    audit,
    audit_checkpoints,
    complaints,
    consents,
    enrollments,
    templates,
    zones,
)
from facematch.types import OperatingPoint
from facematch.watchlist.model_facts import calibrated, model_facts
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Session

__all__ = ["Reports"]

_STATES: Final[dict[SubjectState, str]] = {
    "active": "searchable",
    "restricted": "restricted by a complaint",
    "pending": "waiting: consent not begun, or no approved template",
    "expired": "consent expired",
    "withdrawn": "consent ended",
    "requested": "consent asked for or refused",
}
"""States of subjects as reports say them."""

_NOT_STATED = "not stated"
"""Values of a consent record where the controller's name or contact was not given."""


@runtime_checkable
class _Described(Protocol):
    """An analyzer that says what it is made of."""

    def describe(self) -> Mapping[str, str]: ...


class Reports:
    """Reports from the live configuration; reach it as ``Watchlist.reports``.

    What the configuration does not hold is shown as not stated, or comes from the caller's ``statements``, which are
    kept nowhere. The reports are drafts to be completed: no legal advice, no claim of conformance.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def processing_record(
        self,
        format: ReportFormat = "markdown",  # noqa: A002 - the word for it
        *,
        statements: Statements | None = None,
    ) -> str:
        """The record of processing activities, in the order of GDPR Article 30(1); audited.

        Args:
            format: ``"markdown"`` or ``"html"``.
            statements: What the controller adds.

        Raises:
            InvalidArgument: There is no such format.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; there is no report.
        """
        return self._made("processing_record", format, statements, processing_record)

    def impact_input(
        self,
        format: ReportFormat = "markdown",  # noqa: A002
        *,
        statements: Statements | None = None,
    ) -> str:
        """Input for a data protection impact assessment, in the order of GDPR Article 35(7); audited.

        Args:
            format: ``"markdown"`` or ``"html"``.
            statements: What the controller adds.

        Raises:
            InvalidArgument: There is no such format.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; there is no report.
        """
        return self._made("impact_input", format, statements, impact_input)

    def transparency_notice(
        self,
        format: ReportFormat = "markdown",  # noqa: A002
        *,
        site: str | None = None,
        statements: Statements | None = None,
    ) -> str:
        """A notice for the public in plain language, without numbers of people and without names of staff; audited.

        Args:
            format: ``"markdown"`` or ``"html"``.
            site: Only the zones of this site; default every site.
            statements: What the controller adds.

        Raises:
            InvalidArgument: There is no such format, or the site is malformed.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; there is no report.
        """

        def build(configuration: Configuration, said: Statements) -> Report:
            return transparency_notice(configuration, said, site=None if site is None else check_site(site))

        return self._made("transparency_notice", format, statements, build)

    def _made(
        self,
        name: str,
        form: str,
        statements: Statements | None,
        build: Callable[[Configuration, Statements], Report],
    ) -> str:
        with self._session.operation(AuditAction.REPORT) as operation:
            operation.details.update({"report": name, "format": str(form)})
            models, point = _models(operation.resources)
            with operation.read() as connection:
                configuration = _configuration(operation.resources, connection, models, point, actor=operation.actor)
            text = render(build(configuration, Statements() if statements is None else statements), form)
            with operation.write() as tx:
                digest = hashlib.sha256(text.encode()).hexdigest()
                tx.audit({**operation.details, "sha256": digest, "generation": configuration.generation})
        return text


def _models(resources: Resources) -> tuple[ModelFacts | None, OperatingPoint | None]:
    """The analyzer's models and tested threshold; a pack that cannot be loaded is said, and stops no report."""
    try:
        analyzer = resources.analyzer
    except (ModelError, MissingExtra) as error:
        return ModelFacts(None, None, None, problem=error.message), None
    parts = tuple(analyzer.describe().items()) if isinstance(analyzer, _Described) else ()
    contract = analyzer.contract
    return ModelFacts(contract.embedder, contract.digest, contract.dimension, parts), analyzer.operating_point


def _configuration(
    resources: Resources,
    connection: Connection,
    models: ModelFacts | None,
    point: OperatingPoint | None,
    *,
    actor: str,
) -> Configuration:
    now = resources.now()
    governance = resources.governance.at(connection)
    held: dict[str, list[str]] = {}
    for name, roles in governance.roles.items():
        for role in roles:
            held.setdefault(role.value, []).append(name)
    states, searchable = _subjects(resources, connection, now)
    return Configuration(
        made_at=now,
        made_by=actor,
        version=version("facematch-watchlist"),
        watchlist_id=resources.vault.watchlist_id,
        generation=governance.generation,
        subjects=states,
        searchable=searchable,
        templates=_template_states(connection),
        consents=_consents(resources, connection, now),
        zones=tuple(
            ZoneFacts(Zone.model_validate_json(row.document), from_microseconds(row.opened_at), row.opened_by)
            for row in connection.execute(
                select(zones).where(zones.c.closed_at.is_(None)).order_by(zones.c.site, zones.c.zone)
            )
        ),
        policy=governance.policy(now),
        roles=tuple((role, tuple(sorted(held[role]))) for role in sorted(held)),
        suspensions=tuple(
            SuspensionFacts(item.site, item.where(), item.reason, item.since, item.actor)
            for item in governance.suspensions
        ),
        keys=KeyFacts(
            provider_key=resources.vault.provider_key,
            data_keys=len(resources.cipher.subject_refs()),
            rotation=resources.subjects.rotation_version(connection),
            signing_key=resources.signer.key_id,
            public_key=resources.signer.public_key.hex(),
        ),
        models=model_facts(resources, connection, models),
        threshold=calibrated(current_calibration(connection), point),
        audit=_audit(connection),
        complaints=_complaints(connection),
    )


def _subjects(resources: Resources, connection: Connection, now: datetime) -> tuple[tuple[Tally, ...], int]:
    """Subjects by what a search can do with them, and how many of them searches can return."""
    moment = to_microseconds(now)
    restricted = resources.consents.restricted(connection)
    lines = resources.consents.lines(connection)
    counts: Counter[str | None] = Counter()
    for key in resources.subjects.references(connection).values():
        state = subject_state(lines.get(key, []), moment, restricted=key in restricted)
        counts[_STATES[state]] += 1
    return tallies(counts), counts[_STATES["active"]]


def _template_states(connection: Connection) -> tuple[Tally, ...]:
    query = (
        select(enrollments.c.state, func.count())
        .join(templates, templates.c.enrollment == enrollments.c.id)
        .group_by(enrollments.c.state)
    )
    words = {"ACTIVE": "approved", "PENDING": "waiting for an approval"}
    return tallies([(words[str(state)], int(count)) for state, count in connection.execute(query)])


def _consents(resources: Resources, connection: Connection, now: datetime) -> ConsentFacts:
    moment = to_microseconds(now)
    states = connection.execute(select(consents.c.state, func.count()).group_by(consents.c.state)).all()
    is_open = consents.c.state.in_(OPEN_STATE_NAMES)
    overdue = connection.execute(
        select(func.count()).select_from(consents).where(is_open, consents.c.valid_until <= moment)
    ).scalar_one()
    in_force = [
        stored.consent
        for subject in resources.subjects.subjects(connection)
        for stored in resources.consents.of(connection, subject)
        if stored.consent.in_force(now)
    ]
    ends = [end for consent in in_force if (end := consent.valid_until) is not None]

    def each(values: Callable[[Consent], Iterable[str | None]]) -> tuple[Tally, ...]:
        return tallies(Counter(value for consent in in_force for value in values(consent)))

    parties = Counter((c.controller.name, c.controller.contact) for c in in_force)
    notices = Counter((c.privacy_notice.uri, c.privacy_notice.sha256, c.language) for c in in_force)
    return ConsentFacts(
        in_force=len(in_force),
        states=tallies([(str(state), int(count)) for state, count in states]),
        overdue=int(overdue),
        controllers=tuple(
            Party(_said(name), _said(contact), count) for (name, contact), count in sorted(parties.items())
        ),
        notices=tuple(
            NoticeFacts(uri, sha256, language, count) for (uri, sha256, language), count in sorted(notices.items())
        ),
        purposes=each(lambda c: c.purposes),
        lawful_bases=each(lambda c: [c.lawful_basis]),
        categories=each(lambda c: [c.category]),
        personal_data=each(lambda c: c.personal_data),
        sources=each(lambda c: [c.source]),
        sites=each(lambda c: c.sites or ["every site"]),
        recipients=each(lambda c: c.recipients),
        jurisdictions=each(lambda c: [c.jurisdiction]),
        storage_locations=each(lambda c: c.storage_locations or [None]),
        retention=each(lambda c: [c.retention]),
        collection_methods=each(lambda c: [c.collection_method]),
        withdrawal_methods=each(lambda c: [c.withdrawal_method]),
        assessments=each(lambda c: [c.impact_assessment]),
        first_end=min(ends, default=None),
        last_end=max(ends, default=None),
    )


def _said(value: str) -> str | None:
    return None if value == _NOT_STATED else value


def _audit(connection: Connection) -> AuditFacts:
    head = read_head(connection)
    latest = connection.execute(select(func.count(), func.max(audit_checkpoints.c.created_at))).one()
    counts = connection.execute(select(audit.c.action, audit.c.outcome, func.count()).group_by("action", "outcome"))
    return AuditFacts(
        size=0 if head is None else head.size,
        root="" if head is None else head.root.hex(),
        pruned=0 if head is None else head.pruned,
        checkpoints=int(latest[0]),
        latest_checkpoint=None if latest[1] is None else from_microseconds(cast("int", latest[1])),
        actions=tallies([(f"{action.replace('_', ' ')}, {outcome}", int(count)) for action, outcome, count in counts]),
    )


def _complaints(connection: Connection) -> ComplaintFacts:
    rows = connection.execute(select(complaints.c.decided_at, complaints.c.upheld)).all()
    waiting = sum(row.decided_at is None for row in rows)
    upheld = sum(row.decided_at is not None and row.upheld == 1 for row in rows)
    return ComplaintFacts(waiting, upheld, len(rows) - waiting - upheld)
