"""The class :class:`Watchlist`: one open watchlist database, and everything one may do with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Self

from facematch.gallery.decision import DecisionSettings, Outgrown
from facematch.governance import AuditAction, Consent, check_subject_id
from facematch.governance.policy import Policy
from facematch.matching import Calibration
from facematch.protocols import Analyzer, Clock, KeyProvider, VectorIndex
from facematch.settings import Settings, Use
from facematch.types import (
    Enrollment,
    EnrollmentPreview,
    Face,
    Identification,
    ImageSource,
    QualityGate,
    Verification,
)
from facematch.watchlist import search as identification
from facematch.watchlist import subjects as records
from facematch.watchlist.administration.audit import GovernedAuditLog
from facematch.watchlist.administration.policies import Policies
from facematch.watchlist.administration.reports import Reports
from facematch.watchlist.administration.roles import Actors
from facematch.watchlist.administration.zones import Zones
from facematch.watchlist.data_rights.rights import Rights
from facematch.watchlist.enrollment import enroll as enrollment
from facematch.watchlist.enrollment.approvals import Approvals
from facematch.watchlist.enrollment.picture_checks import Gates
from facematch.watchlist.enrollment.preview import preview
from facematch.watchlist.keys import Keys
from facematch.watchlist.lifecycle import SubjectLifecycle
from facematch.watchlist.operations import Operations
from facematch.watchlist.session import Core
from facematch.watchlist.setup import open as opening
from facematch.watchlist.setup.defaults import LazyAnalyzer

__all__ = ["Watchlist"]

DEFAULT_GATE = QualityGate()


class Watchlist(SubjectLifecycle, Operations):
    """Enrolled subjects, each under a consent record, in one database. Make one with :meth:`open`.

    A context manager; threads may share it, and any number of processes may open the same file: a withdrawal in one
    is seen by the very next search in every other. Every call writes an audit entry in the same transaction as its
    effect; where the entry cannot be written, nothing is done.

    Searches return *candidates* for a person to judge, never identities. What an actor may do is a matter of roles;
    what the watchlist may be used for is a matter of its policy. Everything personal is sealed under keys that lie
    beside the database, in its vault.

    Attributes:
        audit: The audit log.
        policies: The policies, and what ruled when.
        actors: Who may do what.
        approvals: Enrollments that wait for another actor.
        zones: Camera zones and on which grounds they are open.
        keys: Keys: their state, rotation, renewal of templates.
        rights: Complaints, disclosures, access by subjects to their data.
        reports: Reports from the live configuration.
    """

    def __init__(
        self,
        core: Core,
        *,
        analyzer: LazyAnalyzer,
        threshold: float | None,
        outgrown: Outgrown,
    ) -> None:
        super().__init__(core)
        self._analyzer = analyzer
        self._threshold = threshold
        self._outgrown = outgrown
        self.audit = GovernedAuditLog(core)
        self.policies = Policies(core)
        self.actors = Actors(core)
        self.approvals = Approvals(core)
        self.zones = Zones(core)
        self.keys = Keys(core)
        self.rights = Rights(core)
        self.reports = Reports(core, lambda: self.analyzer)

    @classmethod
    def open(
        cls,
        url: str = "sqlite:///facematch.db",
        *,
        actor: str | None = None,
        pack: str | Path = "opencv",
        use: Use | None = None,
        analyzer: Analyzer | None = None,
        clock: Clock | None = None,
        threshold: float | None = None,
        index: str | Callable[[int], VectorIndex] = "auto",
        outgrown: Outgrown = "warn",
        keys: KeyProvider | None = None,
        policy: Policy | str | PathLike[str] | None = None,
        settings: Settings | None = None,
    ) -> Self:
        """Open a watchlist; a file that does not exist is created, its folder is not.

        A new watchlist gets keys, a policy, and ``actor`` as its owner, who may do everything until roles are granted.

        Args:
            url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, or ``sqlite://`` for one in memory.
            actor: Who is using it, for the audit log; default the settings' actor, else the login name.
            pack: Model pack, loaded on first need: listing, withdrawing and erasing work without it.
            use: What the models are used for; default from the settings.
            analyzer: An analyzer to use instead of a pack.
            clock: Gives the present moment; default the system's clock.
            threshold: Raises the pack's tested threshold for every search, a raw cosine.
            index: Name of a registered index (``auto``, ``exact``), or a callable that makes an empty one of a given
                dimension.
            outgrown: What happens when more subjects, or more templates a subject, are in scope than the threshold was
                tested with: ``"warn"`` notes it in the answer and in the log, ``"refuse"`` raises ``GalleryOutgrown``.
            keys: Where the key that locks it comes from; default ``FACEMATCH_KEY``, else a file beside the database.
            policy: The policy of a new watchlist: a :class:`~facematch.governance.policy.Policy`, the name of a
                packaged profile, or the path of a document; default the profile ``access-control``. For a watchlist
                that is there already, it must be the policy in force.
            settings: Machine settings; default from the environment.

        Raises:
            KeyUnavailable: A key is missing, or is another one; nothing is served.
            VaultCorrupt: The vault beside the database is damaged or of another watchlist.
            PolicyInvalid: The policy is malformed, or another one than the watchlist's.
            DatabaseUnsupported: The URL is of another kind.
            DatabaseUnavailable: The database cannot be opened or created, or stays locked.
            DatabaseCorrupt: The file is no facematch database, or is damaged.
            DatabaseTooNew: A later version of facematch wrote it.
            ContractMismatch: ``analyzer`` makes other vectors than the enrolled ones.
            InvalidArgument: Another argument is malformed.
        """
        checked = opening.checked_threshold(threshold, outgrown)
        core, lazy = opening.open_core(
            url,
            actor=actor,
            analyzer=analyzer,
            pack=pack,
            use=use,
            clock=clock,
            index=index,
            keys=keys,
            policy=policy,
            settings=settings,
        )
        return cls(core, analyzer=lazy, threshold=checked, outgrown=outgrown)

    @property
    def analyzer(self) -> Analyzer:
        """The pipeline from pictures to embeddings; loaded on first use.

        Raises:
            ContractMismatch: It makes other vectors than the enrolled ones.
            ModelError: The pack cannot be loaded.
            WatchlistClosed: After :meth:`close`.
        """
        return self._analyzer.get(self._core)

    def enroll(
        self,
        subject_id: str,
        images: ImageSource | Sequence[ImageSource],
        *,
        consent: Consent | None = None,
        min_face_height: float = 40.0,
        min_detection_score: float = 0.8,
        quality_gate: QualityGate = DEFAULT_GATE,
        quality_override: str | None = None,
        reuse_consent: bool = False,
    ) -> Enrollment:
        """Enroll a subject from one or many pictures, each with exactly one usable face; says what was refused and why.

        Only digests of the pictures are kept. New templates stand on the record that is passed, or else on the latest
        one in force; each ends with its own record. A further record is filed beside the earlier ones.

        Args:
            subject_id: Opaque identifier: 1 to 128 visible characters.
            images: Paths, bytes of picture files, or BGR arrays.
            consent: The subject's consent record.
            min_face_height: Smallest height of the face's box, in pixels.
            min_detection_score: Lowest detection score, in ``[0, 1]``.
            quality_gate: Limits on the quality components (sharpness, pose, light ...).
            quality_override: Why pictures that fail the quality gate are to be taken all the same, where the policy
                allows that; the enrollment then waits for another actor.
            reuse_consent: Where a filed record in force stands on the same evidence as ``consent`` and says the same,
                use that one instead of filing another. Then the same call may be made again without harm: pictures that
                are enrolled already are refused as such, without being decoded, and evidence of a consent that has
                ended is refused.

        Raises:
            PolicyRefused: The policy refuses; ``rule`` names the rule.
            ReferenceRestricted: A complaint about the subject is open.
            ConsentRequired: No consent record is in force; nothing was stored and no picture was decoded.
            ConsentInvalid: The record is of another subject, or contradicts a filed one.
            EnrollmentRefused: No picture could be used; nothing was stored.
            QualityTooLow: Likewise, each for failing the quality gate.
            ContractMismatch: The watchlist was enrolled with other models.
            InvalidArgument: An argument is malformed.
            AuditError: The audit entry could not be written; nothing was stored.
        """
        core = self._core
        gates = Gates(min_face_height, min_detection_score, quality_gate)
        return enrollment.enroll(
            core,
            lambda: self.analyzer,
            subject_id,
            images,
            consent=consent,
            gates=gates,
            override=quality_override,
            reuse=reuse_consent,
        )

    def preview(
        self,
        images: ImageSource | Sequence[ImageSource],
        *,
        purpose: str | None = None,
        site: str | None = None,
        zone: str | None = None,
        quality_gate: QualityGate = DEFAULT_GATE,
    ) -> EnrollmentPreview:
        """Look at pictures as :meth:`enroll` would, and store nothing: quality, look-alikes, predicted FPIR.

        Look-alikes are sought only for a purpose: a preview must not be a search without one.

        Raises:
            InvalidArgument: An argument is malformed.
            AuditError: The audit entry could not be written; there is no answer.
        """
        gates = Gates(quality=quality_gate)
        with self._core.operation(AuditAction.PREVIEW):
            request = None if purpose is None else identification.Request(purpose, site, zone)
            book = None if request is None else self._rule_book(None)
            if request is not None and book is not None:
                identification.require_permitted(self._core, request, book, AuditAction.PREVIEW)
            return preview(self._core, self.analyzer, images, gates, request=request, book=book)

    def identify(
        self,
        image: ImageSource,
        *,
        purpose: str = "",
        site: str | None = None,
        zone: str | None = None,
        top_k: int = 5,
        threshold: float | None = None,
    ) -> Identification:
        """Search every face of a picture (1:N): one probe a face in reading order, none where there is no face.

        Args:
            image: A path, the bytes of a picture file, or a BGR array.
            purpose: What the search is for. Only subjects whose consent names it are compared.
            site: Where it is made. Without one, only subjects whose consent covers every site are compared.
            zone: The camera zone of the site, which must be open.
            top_k: Candidates wanted a face, 1 to 1000.
            threshold: Raises the threshold for this search, a raw cosine.

        Raises:
            PurposeRequired: No purpose was given.
            AccessDenied: No role of the actor permits it.
            Suspended: Identification is suspended there.
            PolicyRefused: The policy refuses the purpose, the place or the gallery.
            ZoneClosed: The zone is not open.
            ImageDecodeError: The picture cannot be decoded.
            ThresholdTooLow: The threshold is below the tested one.
            ThresholdRequired: The pack has no tested threshold and none was given.
            ContractMismatch: The watchlist was enrolled with other models.
            AuditError: The audit entry could not be written; there is no answer.
        """
        core = self._core
        with core.operation(AuditAction.IDENTIFY) as details:
            request = identification.Request(purpose, site, zone, top_k)
            details.update(request.details())
            book = self._rule_book(threshold)
            identification.require_permitted(core, request, book, AuditAction.IDENTIFY)
            return identification.identify(core, self.analyzer.analyze([image])[0], request, book)

    def identify_faces(
        self,
        faces: Sequence[Face],
        *,
        purpose: str = "",
        site: str | None = None,
        zone: str | None = None,
        top_k: int = 5,
        threshold: float | None = None,
    ) -> Identification:
        """Search faces that already have embeddings, as one audited search; otherwise as :meth:`identify`.

        Raises:
            InvalidArgument: A face has no embedding, or one that is not finite or not of unit length.
        """
        core = self._core
        with core.operation(AuditAction.IDENTIFY) as details:
            request = identification.Request(purpose, site, zone, top_k)
            details.update(request.details())
            return identification.identify(core, list(faces), request, self._rule_book(threshold))

    def verify(
        self,
        subject_id: str,
        image: ImageSource,
        *,
        purpose: str = "",
        site: str | None = None,
        zone: str | None = None,
        threshold: float | None = None,
    ) -> Verification:
        """Compare the one face of a picture with one subject (1:1).

        Args:
            subject_id: The claimed subject.
            image: A path, the bytes of a picture file, or a BGR array.
            purpose: What the verification is for.
            site: Where it is made.
            zone: The camera zone of the site, which must be open.
            threshold: Raises the threshold for this verification, a raw cosine.

        Returns:
            The outcome; no face and several faces are outcomes, not errors.

        Raises:
            SubjectNotFound: There is no such subject.
            ConsentRequired: No consent of the subject in force covers purpose and site.
            PurposeRequired: No purpose was given.
            ImageDecodeError: The picture cannot be decoded.
            ThresholdTooLow: The threshold is below the tested one.
            AuditError: The audit entry could not be written; there is no answer.
        """
        core = self._core
        with core.operation(AuditAction.VERIFY, subject_id=subject_id) as details:
            check_subject_id(subject_id)
            request = identification.Request(purpose, site, zone, 1)
            details.update(request.details())
            book = self._rule_book(threshold)
            identification.require_permitted(core, request, book, AuditAction.VERIFY)
            identification.require_reachable(core, subject_id, request)
            faces = self.analyzer.analyze([image])[0]
            return identification.verify(core, subject_id, faces, request, book)

    def set_calibration(self, calibration: str | Path | Calibration) -> Calibration:
        """Put a calibration artifact in force: its threshold and subject rule, with the next search of every process.

        Args:
            calibration: The artifact, or the path of its file.

        Raises:
            CalibrationInvalid: The file is malformed, inconsistent or edited.
            ContractMismatch: It belongs to other models than the enrolled templates.
            AuditError: The audit entry could not be written; nothing changed.
        """
        return records.set_calibration(self._core, calibration)

    @property
    def calibration(self) -> Calibration | None:
        """The calibration artifact in force; ``None`` where the pack's own threshold rules."""
        self._core.configuration()
        return self._core.snapshot().calibration

    def _rule_book(self, requested: float | None) -> DecisionSettings:
        analyzer = self.analyzer
        return DecisionSettings(analyzer.contract, analyzer.operating_point, self._threshold, requested, self._outgrown)
