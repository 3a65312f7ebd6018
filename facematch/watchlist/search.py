"""Identification (1:N) and verification (1:1): governed, audited, and never behind the database.

A search brings the gallery to the database's generation, asks what governs there (roles, suspensions, policy, zones),
scores, and then, in the transaction that stores its audit entry, looks at the generation once more. If another process
has enrolled, withdrawn, erased or suspended in between, nothing is written and the search is done again. So the answer
always holds for the generation that it was audited under, and nobody withdrawn before that can be in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar, cast

from facematch.errors import (
    ConsentRequired,
    ContractMismatch,
    InvalidArgument,
    PurposeRequired,
    SubjectNotFound,
    ZoneClosed,
)
from facematch.gallery.decision import DecisionRule, DecisionSettings
from facematch.gallery.snapshot import Scope, Snapshot
from facematch.governance import AuditAction, AuditOutcome, AuditRecord, check_purpose, check_site
from facematch.governance.names import check_name
from facematch.governance.policy import CalibrationFacts, SearchRequest
from facematch.matching.embeddings import queries_of
from facematch.types import Candidate, Face, FloatArray, Identification, OperatingPoint, Probe, Verification
from facematch.watchlist.session import Core

__all__ = ["Request", "identify", "recheck", "require_permitted", "require_reachable", "verify"]

T = TypeVar("T")

_MAX_TOP_K = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What a search is for, checked.

    Attributes:
        purpose: The purpose, in lower-case kebab form.
        site: The site, or ``None``.
        zone: The camera zone of the site, or ``None``.
        top_k: Subjects wanted a probe, 1 to 1000.

    Raises:
        PurposeRequired: No purpose was given.
        InvalidArgument: A value is malformed.
    """

    purpose: str
    site: str | None = None
    zone: str | None = None
    top_k: int = 5

    def __post_init__(self) -> None:
        purpose, top_k = cast("object", self.purpose), cast("object", self.top_k)
        if purpose is None or (isinstance(purpose, str) and not purpose.strip()):
            raise PurposeRequired(
                "a search needs a purpose", hint='name the purpose that consent was given for: purpose="site-access"'
            )
        check_purpose(purpose)
        if self.site is not None:
            check_site(self.site)
        if self.zone is not None:
            check_name(self.zone, "a zone")
            if self.site is None:
                raise InvalidArgument("a zone belongs to a site", hint="name the site as well: site=...")
        if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= _MAX_TOP_K:
            raise InvalidArgument(
                f"top_k must be a whole number from 1 to {_MAX_TOP_K}, got {top_k!r}", hint="leave it out for 5"
            )

    def details(self) -> dict[str, Any]:
        """The request for the audit log."""
        place = {} if self.zone is None else {"zone": self.zone}
        return {"purpose": self.purpose, "site": self.site, **place}


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    snapshot: Snapshot
    scope: Scope
    rules: DecisionRule
    notes: tuple[str, ...]
    policy_version: int
    candidates: list[list[Candidate]]


def identify(core: Core, faces: Sequence[Face], request: Request, book: DecisionSettings) -> Identification:
    """Search faces with embeddings; see :meth:`facematch.watchlist.Watchlist.identify_faces`."""
    queries = queries_of(faces, book.contract)

    def concluded(answer: _Answer, now: datetime) -> tuple[AuditRecord, Identification]:
        found = {candidate.subject_id for row in answer.candidates for candidate in row}
        details = {
            **request.details(),
            "probes": len(faces),
            "candidates": answer.snapshot.refs(found),
            "threshold": answer.rules.threshold,
            "gallery_size": answer.scope.subjects,
            "generation": answer.snapshot.generation,
            "policy_version": answer.policy_version,
        }
        record = core.audit_record(AuditAction.IDENTIFY, AuditOutcome.DONE, details, now=now)
        return record, Identification(
            probes=tuple(
                Probe(face.with_embedding(None), tuple(row)) for face, row in zip(faces, answer.candidates, strict=True)
            ),
            threshold=answer.rules.threshold,
            gallery_size=answer.scope.subjects,
            generation=answer.snapshot.generation,
            contract=book.contract.digest,
            purpose=request.purpose,
            site=request.site,
            zone=request.zone,
            policy_version=answer.policy_version,
            notes=answer.notes,
        )

    return _search(core, queries, request, book, concluded=concluded, action=AuditAction.IDENTIFY)


def verify(
    core: Core, subject_id: str, faces: Sequence[Face], request: Request, book: DecisionSettings
) -> Verification:
    """Compare the face of one picture with one subject; see :meth:`facematch.watchlist.Watchlist.verify`."""
    single = faces if len(faces) == 1 else ()
    queries = queries_of(single, book.contract)

    def concluded(answer: _Answer, now: datetime) -> tuple[AuditRecord, Verification]:
        refs = answer.snapshot.refs({subject_id})
        if not refs:
            raise SubjectNotFound(f"there is no subject {subject_id!r} on the watchlist", hint="check the spelling")
        if answer.scope.subjects == 0:
            raise _out_of_scope(subject_id, request)
        best = answer.candidates[0][0] if answer.candidates and answer.candidates[0] else None
        if len(faces) != 1:
            outcome = "several_faces" if faces else "no_face"
        else:
            outcome = "no_match" if best is None else "match"
        details = {
            **request.details(),
            "outcome": outcome,
            "threshold": answer.rules.threshold,
            "generation": answer.snapshot.generation,
            "policy_version": answer.policy_version,
        }
        record = AuditRecord(now, core.actor, AuditAction.VERIFY, AuditOutcome.DONE, refs[0], details)
        score = None if best is None else best.score
        return record, Verification(subject_id, outcome, score, answer.rules.threshold, book.contract.digest)

    return _search(core, queries, request, book, concluded=concluded, action=AuditAction.VERIFY, subject_id=subject_id)


def require_permitted(core: Core, request: Request, book: DecisionSettings, action: AuditAction) -> None:
    """Refuse early, before a picture is decoded, what roles, suspensions, policy and zones refuse anyway.

    Raises:
        AccessDenied: The actor may not search.
        Suspended: Identification is suspended there.
        PolicyRefused: The policy refuses the purpose, the place or the gallery.
        ZoneClosed: The zone is not open.
    """
    recheck(core, core.snapshot(), request, book, action)


def recheck(core: Core, snapshot: Snapshot, request: Request, book: DecisionSettings, action: AuditAction) -> None:
    """The same on a given gallery: what was permitted before the models ran need not be any more."""
    core.authorize(action, snapshot.standing)
    _govern(snapshot, request, book, core.now())


def require_reachable(core: Core, subject_id: str, request: Request) -> None:
    """Refuse a verification early, before its picture is decoded.

    Raises:
        SubjectNotFound: There is no such subject.
        ConsentRequired: No consent of the subject covers the request now.
    """
    with core.database.read() as connection:
        core.require_subject(connection, subject_id)
        snapshot = core.gallery.refresh(connection)
    scope = snapshot.scope(request.purpose, request.site, core.now(), zone=request.zone, subject_id=subject_id)
    if scope.subjects == 0:
        raise _out_of_scope(subject_id, request)


def _govern(
    snapshot: Snapshot, request: Request, book: DecisionSettings, now: datetime
) -> tuple[DecisionRule, int, Scope]:
    """Apply suspensions, zones, the policy and the threshold.

    Returns:
        The rules, the policy's version, and everybody whom the request may reach.
    """
    standing = snapshot.standing
    standing.check_not_suspended(request.site, request.zone)
    if request.zone is not None and (request.site, request.zone) not in standing.zones:
        raise ZoneClosed(
            f"the zone {request.zone!r} of site {request.site!r} is not open",
            hint="open it with a capture basis, a notice and an assessment: Watchlist.zones.open()",
        )
    ruling = standing.policy(now)
    rules = book.rules(snapshot.calibration)
    reach = snapshot.scope(request.purpose, request.site, now, zone=request.zone)
    ruling.policy.check_search(
        SearchRequest(
            purpose=request.purpose,
            site=request.site,
            zone=request.zone,
            now=now,
            open_zones=standing.zones,
            gallery_subjects=reach.subjects,
            calibration=_facts(rules.point),
        )
    )
    return rules, ruling.version, reach


def _facts(point: OperatingPoint | None) -> CalibrationFacts | None:
    """What the policy needs to know of a tested threshold; an FMR says nothing about a gallery."""
    if point is None or point.error_kind != "FPIR":
        return None
    return CalibrationFacts(
        target_fpir=point.error_rate,
        gallery_size=point.gallery_size,
        measured_at=date.fromisoformat(point.measured_at),
    )


def _search(
    core: Core,
    queries: FloatArray,
    request: Request,
    book: DecisionSettings,
    *,
    concluded: Callable[[_Answer, datetime], tuple[AuditRecord, T]],
    action: AuditAction,
    subject_id: str | None = None,
) -> T:
    """Search, then store the audit entry that ``concluded`` makes, at the very generation that was searched."""

    def score(snapshot: Snapshot) -> tuple[AuditRecord, T]:
        now = core.now()
        _check_contract(snapshot, book)
        core.authorize(action, snapshot.standing)
        rules, version, scope = _govern(snapshot, request, book, now)
        if subject_id is not None:
            scope = snapshot.scope(request.purpose, request.site, now, zone=request.zone, subject_id=subject_id)
        found = snapshot.search(queries, scope, top_k=request.top_k, threshold=rules.threshold, rule=rules.rule)
        notes = rules.notes(scope)
        return concluded(_Answer(snapshot, scope, rules, notes, version, found), now)

    return core.concluded(score)


def _check_contract(snapshot: Snapshot, book: DecisionSettings) -> None:
    if snapshot.contract is not None and snapshot.contract.digest != book.contract.digest:
        raise ContractMismatch(
            f"the watchlist was enrolled with {snapshot.contract.embedder}, the analyzer is {book.contract.embedder}",
            hint="open the watchlist with the pack it was enrolled with; other models need a new enrollment",
        )


def _out_of_scope(subject_id: str, request: Request) -> ConsentRequired:
    place = "without a site" if request.site is None else f"at site {request.site!r}"
    return ConsentRequired(
        f"no consent of subject {subject_id!r} in force covers the purpose {request.purpose!r} {place}",
        hint="check purpose and site; a new consent record may name them",
    )
