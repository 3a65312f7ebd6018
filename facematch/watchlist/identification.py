"""Identification (1:N) and verification (1:1): governed, audited, and never behind the database.

A search brings the gallery to the database's generation, scores, and then, in the write transaction that stores its
audit entry, looks at the generation once more. If another process has enrolled, withdrawn or erased in between, the
transaction is undone and the search done again. So the answer always holds for the generation that it was audited
under, and nobody withdrawn before that can be in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from facematch.errors import ConsentRequired, InvalidArgument, PurposeRequired
from facematch.governance import AuditAction, AuditOutcome, check_purpose, check_site
from facematch.types import Candidate, Face, FloatArray, Identification, Probe, Verification
from facematch.watchlist.core import Core
from facematch.watchlist.gallery import Scope, Snapshot
from facematch.watchlist.rules import RuleBook, Rules
from facematch.watchlist.vectors import queries_of

__all__ = ["Request", "identify", "require_reachable", "verify"]

T = TypeVar("T")

_ATTEMPTS = 5
"""Searches outside the write lock before one is done inside it, where nobody can come in between."""
_MAX_TOP_K = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What a search is for, checked.

    Attributes:
        purpose: The purpose, in lower-case kebab form.
        site: The site, or ``None``.
        top_k: Subjects wanted a probe, 1 to 1000.

    Raises:
        PurposeRequired: No purpose was given.
        InvalidArgument: A value is malformed.
    """

    purpose: str
    site: str | None = None
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
        if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= _MAX_TOP_K:
            raise InvalidArgument(
                f"top_k must be a whole number from 1 to {_MAX_TOP_K}, got {top_k!r}", hint="leave it out for 5"
            )

    def details(self) -> dict[str, Any]:
        """The request for the audit log."""
        return {"purpose": self.purpose, "site": self.site}


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    snapshot: Snapshot
    scope: Scope
    rules: Rules
    candidates: list[list[Candidate]]


def identify(core: Core, faces: Sequence[Face], request: Request, book: RuleBook) -> Identification:
    """Search faces with embeddings; see :meth:`facematch.watchlist.Watchlist.identify_faces`."""
    queries = queries_of(faces, book.contract)

    def audited(connection: Connection, answer: _Answer, now: datetime) -> Identification:
        notes = answer.rules.notes(answer.scope)
        found = {candidate.subject_id for row in answer.candidates for candidate in row}
        details = {
            **request.details(),
            "probes": len(faces),
            "candidates": answer.snapshot.refs(found),
            "threshold": answer.rules.threshold,
            "gallery_size": answer.scope.subjects,
            "generation": answer.snapshot.generation,
        }
        core.audit(connection, AuditAction.IDENTIFY, AuditOutcome.DONE, details, now=now)
        return Identification(
            probes=tuple(
                Probe(face.with_embedding(None), tuple(row)) for face, row in zip(faces, answer.candidates, strict=True)
            ),
            threshold=answer.rules.threshold,
            gallery_size=answer.scope.subjects,
            generation=answer.snapshot.generation,
            contract=book.contract.digest,
            purpose=request.purpose,
            site=request.site,
            notes=notes,
        )

    return _search(core, queries, request, book, audited=audited)


def verify(
    core: Core,
    subject_id: str,
    faces: Sequence[Face],
    request: Request,
    book: RuleBook,
) -> Verification:
    """Compare the face of one picture with one subject; see :meth:`facematch.watchlist.Watchlist.verify`."""
    single = faces if len(faces) == 1 else ()
    queries = queries_of(single, book.contract)

    def audited(connection: Connection, answer: _Answer, now: datetime) -> Verification:
        subject = core.require_subject(connection, subject_id)
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
        }
        core.audit(connection, AuditAction.VERIFY, AuditOutcome.DONE, details, subject=subject, now=now)
        score = None if best is None else best.score
        return Verification(subject_id, outcome, score, answer.rules.threshold, book.contract.digest)

    return _search(core, queries, request, book, audited=audited, subject_id=subject_id)


def require_reachable(core: Core, subject_id: str, request: Request) -> None:
    """Refuse a verification early, before its picture is decoded.

    Raises:
        SubjectNotFound: There is no such subject.
        ConsentRequired: No consent of the subject covers the request now.
    """
    with core.database.read() as connection:
        core.require_subject(connection, subject_id)
        snapshot = core.gallery.refresh(connection)
    if snapshot.scope(request.purpose, request.site, core.now(), subject_id=subject_id).subjects == 0:
        raise _out_of_scope(subject_id, request)


def _search(
    core: Core,
    queries: FloatArray,
    request: Request,
    book: RuleBook,
    *,
    audited: Callable[[Connection, _Answer, datetime], T],
    subject_id: str | None = None,
) -> T:
    """Search, then call ``audited`` in a write transaction of the very generation that was searched."""

    def score(snapshot: Snapshot, now: datetime) -> _Answer:
        rules = book.rules(snapshot.calibration)
        scope = snapshot.scope(request.purpose, request.site, now, subject_id=subject_id)
        found = snapshot.search(queries, scope, top_k=request.top_k, threshold=rules.threshold, rule=rules.rule)
        return _Answer(snapshot, scope, rules, found)

    for _ in range(_ATTEMPTS):
        now = core.now()
        answer = score(core.snapshot(), now)
        with core.database.write() as connection:
            core.store.check_contract(connection, book.contract)
            if core.store.generation(connection) == answer.snapshot.generation:
                return audited(connection, answer, now)
    with core.database.write() as connection:
        core.store.check_contract(connection, book.contract)
        now = core.now()
        return audited(connection, score(core.gallery.refresh(connection), now), now)


def _out_of_scope(subject_id: str, request: Request) -> ConsentRequired:
    place = "without a site" if request.site is None else f"at site {request.site!r}"
    return ConsentRequired(
        f"no consent of subject {subject_id!r} in force covers the purpose {request.purpose!r} {place}",
        hint="check purpose and site; a new consent record may name them",
    )
