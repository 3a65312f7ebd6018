"""Identification (1:N) and verification (1:1): governed, audited, and never behind the database.

A search brings the gallery to the database's generation, checks what governs there (roles, suspensions, policy, zones),
scores, and then, in the transaction that stores its audit entry, compares the generation once more. If another process
has enrolled, withdrawn, erased or suspended in between, nothing is written and the search is done again. So the answer
always holds for the generation that it was audited under, and no subject withdrawn before that is in it. The same
checks run before the models do, so that a search that is refused costs no decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, TypeVar

from facematch.errors import ConsentRequired, ContractMismatch, SubjectNotFound, ZoneClosed
from facematch.gallery.decision import DecisionRule, DecisionSettings
from facematch.gallery.snapshot import Scope, Snapshot
from facematch.governance import AuditAction, AuditOutcome, AuditRecord, check_subject_id
from facematch.governance.policy import CalibrationFacts, SearchRequest
from facematch.matching.embeddings import queries_of
from facematch.types import (
    Candidate,
    Face,
    FloatArray,
    Identification,
    ImageSource,
    OperatingPoint,
    Probe,
    SearchTerms,
    Verification,
)
from facematch.watchlist.resources import Resources
from facematch.watchlist.search_parameters import SearchParameters
from facematch.watchlist.session import Operation, Session

__all__ = [
    "Search",
    "SearchParameters",
    "check_search",
    "commit_answer",
    "identify",
    "identify_faces",
    "search_terms",
    "verify",
]

T_co = TypeVar("T_co", covariant=True)

_ATTEMPTS = 5
"""Searches outside the write lock before one is done inside it, where no other process can come in between."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search: its parameters, and what its threshold is made from.

    Attributes:
        parameters: Purpose, place and number of candidates.
        settings: What gives the threshold and the subject rule.
    """

    parameters: SearchParameters
    settings: DecisionSettings

    @classmethod
    def of(cls, resources: Resources, parameters: SearchParameters, threshold: float | None = None) -> Search:
        """The search of these parameters with the watchlist's analyzer.

        Args:
            resources: The open watchlist.
            parameters: Purpose, place and number of candidates.
            threshold: Raises the threshold for this search, a raw cosine.
        """
        analyzer = resources.analyzer
        settings = DecisionSettings(analyzer.contract, analyzer.operating_point, resources.threshold, threshold)
        return cls(parameters, settings)


@dataclass(frozen=True, slots=True, eq=False)
class PermittedSearch:
    """A search that everything permits on one gallery.

    Attributes:
        scope: The templates that it may reach.
        decision: Threshold and subject rule.
        policy_version: Version of the policy that ruled.
        now: The one moment that everything was checked for, UTC.
    """

    scope: Scope
    decision: DecisionRule
    policy_version: int
    now: datetime


def check_search(operation: Operation, snapshot: Snapshot, search: Search) -> PermittedSearch:
    """Apply roles, suspensions, zones, the policy and the threshold as they stand in one gallery.

    Raises:
        AccessDenied: The actor may not search.
        Suspended: Identification is suspended there.
        ZoneClosed: The zone is not open.
        PolicyRefused: The policy refuses the purpose, the place or the gallery.
        ContractMismatch: The watchlist was enrolled with other models.
        ThresholdTooLow: The threshold is below the tested one.
        ThresholdRequired: No threshold was tested and none was given.
    """
    parameters, governance, now = search.parameters, snapshot.governance, operation.now()
    _check_contract(snapshot, search)
    operation.authorize(governance)
    governance.check_not_suspended(parameters.site, parameters.zone)
    if parameters.zone is not None and (parameters.site, parameters.zone) not in governance.zones:
        raise ZoneClosed(
            f"the zone {parameters.zone!r} of site {parameters.site!r} is not open",
            hint="open it with a capture basis, a notice and an assessment: Watchlist.zones.open()",
        )
    ruling = governance.policy(now)
    decision = search.settings.rule(snapshot.calibration)
    scope = snapshot.scope(parameters.purpose, parameters.site, now, zone=parameters.zone)
    ruling.policy.check_search(
        SearchRequest(
            purpose=parameters.purpose,
            site=parameters.site,
            zone=parameters.zone,
            now=now,
            open_zones=governance.zones,
            gallery_subjects=scope.subjects,
            most_templates=scope.most_templates,
            calibration=_facts(decision.point),
        )
    )
    return PermittedSearch(scope, decision, ruling.version, now)


class Answer(Protocol[T_co]):
    """An answer that is made anew on each gallery until one is still current when its audit entry is stored."""

    def on(self, snapshot: Snapshot) -> tuple[AuditRecord, T_co]:
        """The audit entry and the answer on one gallery; changes nothing."""
        ...


def commit_answer(operation: Operation, answer: Answer[T_co]) -> T_co:
    """The answer on a gallery that was still current when its audit entry was stored.

    Raises:
        AuditError: The entry could not be written; there is no answer.
    """
    resources = operation.resources
    for _ in range(_ATTEMPTS):
        snapshot = resources.snapshot()
        record, result = answer.on(snapshot)
        if resources.group_commit.commit(snapshot.generation, record, operation.authorization):
            return result
    with resources.database.write(operation.authorization) as connection:
        snapshot = resources.gallery.refresh(connection)
        if snapshot.generation != resources.subjects.generation(connection):  # the file was replaced while open
            resources.forget()
            snapshot = resources.gallery.refresh(connection)
        record, result = answer.on(snapshot)
        resources.append_audit(connection, [record])
        return result


@dataclass(frozen=True, slots=True, eq=False)
class _Identification:
    """Faces to identify, with their queries ``(N, D)``."""

    operation: Operation
    search: Search
    faces: Sequence[Face]
    queries: FloatArray

    def on(self, snapshot: Snapshot) -> tuple[AuditRecord, Identification]:
        permitted = check_search(self.operation, snapshot, self.search)
        found = _candidates(snapshot, self.queries, permitted.scope, permitted.decision, self.search.parameters.top_k)
        parameters, decision, scope = self.search.parameters, permitted.decision, permitted.scope
        details = {
            **parameters.details(),
            "probes": len(self.faces),
            "candidates": snapshot.refs({candidate.subject_id for row in found for candidate in row}),
            "threshold": decision.threshold,
            "gallery_size": scope.subjects,
            "generation": snapshot.generation,
            "policy_version": permitted.policy_version,
        }
        return self.operation.audit_record(AuditOutcome.DONE, details, now=permitted.now), Identification(
            probes=tuple(
                Probe(face.with_embedding(None), tuple(row)) for face, row in zip(self.faces, found, strict=True)
            ),
            threshold=decision.threshold,
            gallery_size=scope.subjects,
            generation=snapshot.generation,
            contract=self.search.settings.contract.digest,
            purpose=parameters.purpose,
            site=parameters.site,
            zone=parameters.zone,
            policy_version=permitted.policy_version,
            notes=decision.notes(scope),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Verification:
    """The faces of one picture to compare with one subject, and the query ``(0 or 1, D)``."""

    operation: Operation
    search: Search
    subject_id: str
    faces: Sequence[Face]
    queries: FloatArray

    def on(self, snapshot: Snapshot) -> tuple[AuditRecord, Verification]:
        permitted = check_search(self.operation, snapshot, self.search)
        parameters, decision = self.search.parameters, permitted.decision
        scope = _scope_of(snapshot, self.subject_id, parameters, permitted.now)
        refs = snapshot.refs({self.subject_id})
        if not refs:
            raise SubjectNotFound(
                f"there is no subject {self.subject_id!r} on the watchlist", hint="check the spelling"
            )
        found = _candidates(snapshot, self.queries, scope, decision, parameters.top_k)
        best = found[0][0] if found and found[0] else None
        if len(self.faces) == 1:
            outcome = "no_match" if best is None else "match"
        else:
            outcome = "several_faces" if self.faces else "no_face"
        decision.notes(scope)
        details = {
            **parameters.details(),
            "outcome": outcome,
            "threshold": decision.threshold,
            "generation": snapshot.generation,
            "policy_version": permitted.policy_version,
        }
        contract = self.search.settings.contract.digest
        score = None if best is None else best.score
        return (
            self.operation.audit_record(AuditOutcome.DONE, details, subject_ref=refs[0], now=permitted.now),
            Verification(self.subject_id, outcome, score, decision.threshold, contract),
        )


def identify(
    session: Session,
    image: ImageSource,
    *,
    purpose: str,
    site: str | None,
    zone: str | None,
    top_k: int,
    threshold: float | None,
) -> Identification:
    """Search every face of a picture; see :meth:`facematch.watchlist.Watchlist.identify`."""
    with session.operation(AuditAction.IDENTIFY) as operation:
        search = _asked(operation, SearchParameters(purpose, site, zone, top_k), threshold)
        check_search(operation, operation.snapshot(), search)
        faces = operation.resources.analyzer.analyze([image])[0]
        return _identify(operation, search, faces)


def identify_faces(
    session: Session,
    faces: Sequence[Face],
    *,
    purpose: str,
    site: str | None,
    zone: str | None,
    top_k: int,
    threshold: float | None,
) -> Identification:
    """Search faces with embeddings; see :meth:`facematch.watchlist.Watchlist.identify_faces`."""
    with session.operation(AuditAction.IDENTIFY) as operation:
        search = _asked(operation, SearchParameters(purpose, site, zone, top_k), threshold)
        return _identify(operation, search, list(faces))


def verify(
    session: Session,
    subject_id: str,
    image: ImageSource,
    *,
    purpose: str,
    site: str | None,
    zone: str | None,
    threshold: float | None,
) -> Verification:
    """Compare the face of one picture with one subject; see :meth:`facematch.watchlist.Watchlist.verify`."""
    with session.operation(AuditAction.VERIFY, subject_id=subject_id) as operation:
        check_subject_id(subject_id)
        resources = operation.resources
        search = _asked(operation, SearchParameters(purpose, site, zone, top_k=1), threshold)
        snapshot = operation.snapshot()
        permitted = check_search(operation, snapshot, search)
        with operation.read() as connection:
            resources.require_subject(connection, subject_id)
        _scope_of(snapshot, subject_id, search.parameters, permitted.now)
        faces = resources.analyzer.analyze([image])[0]
        queries = queries_of(faces if len(faces) == 1 else (), search.settings.contract)
        return commit_answer(operation, _Verification(operation, search, subject_id, faces, queries))


def search_terms(
    session: Session, *, purpose: str, site: str | None, zone: str | None, threshold: float | None
) -> SearchTerms:
    """Terms of a search; see :meth:`facematch.watchlist.Watchlist.search_terms`."""
    with session.operation(AuditAction.IDENTIFY) as operation:
        search = _asked(operation, SearchParameters(purpose, site, zone), threshold)
        snapshot = operation.snapshot()
        permitted = check_search(operation, snapshot, search)
        return SearchTerms(
            purpose=purpose,
            site=site,
            zone=zone,
            threshold=permitted.decision.threshold,
            gallery_size=permitted.scope.subjects,
            generation=snapshot.generation,
            contract=search.settings.contract.digest,
            policy_version=permitted.policy_version,
            notes=permitted.decision.notes(permitted.scope),
        )


def _asked(operation: Operation, parameters: SearchParameters, threshold: float | None) -> Search:
    operation.details.update(parameters.details())
    return Search.of(operation.resources, parameters, threshold)


def _identify(operation: Operation, search: Search, faces: Sequence[Face]) -> Identification:
    queries = queries_of(faces, search.settings.contract)
    return commit_answer(operation, _Identification(operation, search, faces, queries))


def _candidates(
    snapshot: Snapshot, queries: FloatArray, scope: Scope, decision: DecisionRule, top_k: int
) -> list[list[Candidate]]:
    return snapshot.search(queries, scope, top_k=top_k, threshold=decision.threshold, rule=decision.rule)


def _scope_of(snapshot: Snapshot, subject_id: str, parameters: SearchParameters, now: datetime) -> Scope:
    """The templates of one subject that the search may reach.

    Raises:
        ConsentRequired: There are none: no consent of the subject covers the search now.
    """
    purpose, site = parameters.purpose, parameters.site
    scope = snapshot.scope(purpose, site, now, zone=parameters.zone, subject_id=subject_id)
    if scope.subjects == 0 and snapshot.refs({subject_id}):
        place = "without a site" if site is None else f"at site {site!r}"
        raise ConsentRequired(
            f"no consent of subject {subject_id!r} in force covers the purpose {purpose!r} {place}",
            hint="check purpose and site; a new consent record may name them",
        )
    return scope


def _facts(point: OperatingPoint | None) -> CalibrationFacts | None:
    """Facts of a tested threshold that the policy asks about; an FMR says nothing about a gallery."""
    if point is None or point.error_kind != "FPIR":
        return None
    return CalibrationFacts(
        target_fpir=point.error_rate,
        gallery_size=point.gallery_size,
        templates=point.templates,
        measured_at=date.fromisoformat(point.measured_at),
    )


def _check_contract(snapshot: Snapshot, search: Search) -> None:
    contract = search.settings.contract
    if snapshot.contract is not None and snapshot.contract.digest != contract.digest:
        raise ContractMismatch(
            f"the watchlist was enrolled with {snapshot.contract.embedder}, the analyzer is {contract.embedder}",
            hint="open the watchlist with the pack it was enrolled with; other models need a new enrollment",
        )
