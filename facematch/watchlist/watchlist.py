"""The class :class:`Watchlist`: one open watchlist database, and everything one may do with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from facematch.errors import InvalidArgument, WatchlistClosed
from facematch.governance import AuditAction, AuditLog, Consent, check_subject_id, utc_now
from facematch.governance.identifiers import check_name
from facematch.matching import Calibration
from facematch.matching.threshold import check_threshold
from facematch.protocols import Analyzer, Clock, VectorIndex
from facematch.settings import Settings, Use
from facematch.types import (
    Enrolment,
    EnrolmentPreview,
    Erasure,
    Face,
    Identification,
    ImageSource,
    QualityGate,
    SubjectRecord,
    Verification,
    Withdrawal,
)
from facematch.watchlist import enrolment, identification, records
from facematch.watchlist.audit import TableAuditLog
from facematch.watchlist.core import Core
from facematch.watchlist.database import Database
from facematch.watchlist.gallery import Gallery
from facematch.watchlist.loading import LazyAnalyzer, index_factory, login_name
from facematch.watchlist.preview import preview
from facematch.watchlist.rules import Outgrown, RuleBook
from facematch.watchlist.store import Store

__all__ = ["Watchlist"]

DEFAULT_GATE = QualityGate()


class Watchlist:
    """Enrolled subjects, each under a consent record, in one database. Make one with :meth:`open`.

    A context manager; threads may share it, and any number of processes may open the same file: a withdrawal in one
    is seen by the very next search in every other. Every call writes an audit entry in the same transaction as its
    effect; where the entry cannot be written, nothing is done.

    Searches return *candidates* for a person to judge, never identities.
    """

    def __init__(
        self,
        core: Core,
        *,
        analyzer: LazyAnalyzer,
        threshold: float | None,
        outgrown: Outgrown,
    ) -> None:
        self._core_parts = core
        self._analyzer = analyzer
        self._threshold = threshold
        self._outgrown = outgrown
        self._closed = False

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
        index: str | Callable[[int], VectorIndex] = "faiss",
        outgrown: Outgrown = "warn",
        settings: Settings | None = None,
    ) -> Self:
        """Open a watchlist; a file that does not exist is created, its folder is not.

        Args:
            url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, or ``sqlite://`` for one in memory.
            actor: Who is using it, for the audit log; default the settings' actor, else the login name.
            pack: Model pack, loaded on first need: listing, withdrawing and erasing work without it.
            use: What the models are used for; default from the settings.
            analyzer: An analyzer to use instead of a pack.
            clock: Gives the present moment; default the system's clock.
            threshold: Raises the pack's tested threshold for every search, a raw cosine.
            index: Name of a registered index, or a callable that makes an empty one of a given dimension.
            outgrown: What happens when more subjects, or more templates a subject, are in scope than the threshold was
                tested with: ``"warn"`` notes it in the answer and in the log, ``"refuse"`` raises ``GalleryOutgrown``.
            settings: Machine settings; default from the environment.

        Raises:
            DatabaseUnsupported: The URL is of another kind.
            DatabaseUnavailable: The database cannot be opened or created, or stays locked.
            DatabaseCorrupt: The file is no facematch database, or is damaged.
            DatabaseTooNew: A later version of facematch wrote it.
            ContractMismatch: ``analyzer`` makes other vectors than the enrolled ones.
            InvalidArgument: Another argument is malformed.
        """
        if threshold is not None:
            threshold = check_threshold(threshold)
        if outgrown not in {"warn", "refuse"}:
            raise InvalidArgument(f"outgrown is 'warn' or 'refuse', got {outgrown!r}")
        name = check_name(login_name(settings) if actor is None else actor, "actor")
        new_index = index_factory(index)
        store = Store()
        database = Database(url)
        core = Core(database, store, Gallery(store, new_index), name, utc_now if clock is None else clock)
        try:
            if analyzer is not None:
                with database.read() as connection:
                    store.check_contract(connection, analyzer.contract)
        except BaseException:
            database.close()
            raise
        lazy = LazyAnalyzer(analyzer, pack=pack, use=use, settings=settings)
        return cls(core, analyzer=lazy, threshold=threshold, outgrown=outgrown)

    @property
    def analyzer(self) -> Analyzer:
        """The pipeline from pictures to embeddings; loaded on first use.

        Raises:
            ContractMismatch: It makes other vectors than the enrolled ones.
            ModelError: The pack cannot be loaded.
            WatchlistClosed: After :meth:`close`.
        """
        return self._analyzer.get(self._core)

    @property
    def actor(self) -> str:
        """Who is using the watchlist."""
        return self._core_parts.actor

    @property
    def clock(self) -> Clock:
        """Gives the present moment."""
        return self._core_parts.clock

    @property
    def audit(self) -> AuditLog:
        """The audit log, for reading."""
        return TableAuditLog(self._core.database)

    def enroll(
        self,
        subject_id: str,
        images: ImageSource | Sequence[ImageSource],
        *,
        consent: Consent | None = None,
        min_face_height: float = 40.0,
        min_detection_score: float = 0.8,
        quality_gate: QualityGate = DEFAULT_GATE,
    ) -> Enrolment:
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

        Raises:
            ConsentRequired: No consent record is in force; nothing was stored and no picture was decoded.
            ConsentInvalid: The record is of another subject, or contradicts a filed one.
            EnrolmentRefused: No picture could be used; nothing was stored.
            QualityTooLow: Likewise, each for failing the quality gate.
            ContractMismatch: The watchlist was enrolled with other models.
            InvalidArgument: An argument is malformed.
            AuditError: The audit entry could not be written; nothing was stored.
        """
        core = self._core
        gates = enrolment.Gates(min_face_height, min_detection_score, quality_gate)
        return enrolment.enroll(core, lambda: self.analyzer, subject_id, images, consent=consent, gates=gates)

    def preview(
        self,
        images: ImageSource | Sequence[ImageSource],
        *,
        purpose: str | None = None,
        site: str | None = None,
        quality_gate: QualityGate = DEFAULT_GATE,
    ) -> EnrolmentPreview:
        """Look at pictures as :meth:`enroll` would, and store nothing: quality, look-alikes, predicted FPIR.

        Look-alikes are sought only for a purpose: a preview must not be a search without one.

        Raises:
            InvalidArgument: An argument is malformed.
            AuditError: The audit entry could not be written; there is no answer.
        """
        gates = enrolment.Gates(quality=quality_gate)
        with self._core.refusals_audited(AuditAction.PREVIEW):
            request = None if purpose is None else identification.Request(purpose, site)
            return preview(self._core, self.analyzer, images, gates, request)

    def identify(
        self,
        image: ImageSource,
        *,
        purpose: str = "",
        site: str | None = None,
        top_k: int = 5,
        threshold: float | None = None,
    ) -> Identification:
        """Search every face of a picture (1:N): one probe a face in reading order, none where there is no face.

        Args:
            image: A path, the bytes of a picture file, or a BGR array.
            purpose: What the search is for. Only subjects whose consent names it are compared.
            site: Where it is made. Without one, only subjects whose consent covers every site are compared.
            top_k: Candidates wanted a face, 1 to 1000.
            threshold: Raises the threshold for this search, a raw cosine.

        Raises:
            PurposeRequired: No purpose was given.
            ImageDecodeError: The picture cannot be decoded.
            ThresholdTooLow: The threshold is below the tested one.
            ThresholdRequired: The pack has no tested threshold and none was given.
            ContractMismatch: The watchlist was enrolled with other models.
            AuditError: The audit entry could not be written; there is no answer.
        """
        core = self._core
        with core.refusals_audited(AuditAction.IDENTIFY) as details:
            request = identification.Request(purpose, site, top_k)
            details.update(request.details())
            book = self._rule_book(threshold)
            return identification.identify(core, self.analyzer.analyze([image])[0], request, book)

    def identify_faces(
        self,
        faces: Sequence[Face],
        *,
        purpose: str = "",
        site: str | None = None,
        top_k: int = 5,
        threshold: float | None = None,
    ) -> Identification:
        """Search faces that already have embeddings, as one audited search; otherwise as :meth:`identify`.

        Raises:
            InvalidArgument: A face has no embedding, or one that is not finite or not of unit length.
        """
        core = self._core
        with core.refusals_audited(AuditAction.IDENTIFY) as details:
            request = identification.Request(purpose, site, top_k)
            details.update(request.details())
            return identification.identify(core, list(faces), request, self._rule_book(threshold))

    def verify(
        self,
        subject_id: str,
        image: ImageSource,
        *,
        purpose: str = "",
        site: str | None = None,
        threshold: float | None = None,
    ) -> Verification:
        """Compare the one face of a picture with one subject (1:1).

        Args:
            subject_id: The claimed subject.
            image: A path, the bytes of a picture file, or a BGR array.
            purpose: What the verification is for.
            site: Where it is made.
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
        with core.refusals_audited(AuditAction.VERIFY, subject_id=subject_id) as details:
            check_subject_id(subject_id)
            request = identification.Request(purpose, site, 1)
            details.update(request.details())
            identification.require_reachable(core, subject_id, request)
            book = self._rule_book(threshold)
            faces = self.analyzer.analyze([image])[0]
            return identification.verify(core, subject_id, faces, request, book)

    def set_calibration(self, calibration: str | Path | Calibration) -> Calibration:
        """Put a calibration artefact in force: its threshold and subject rule, with the next search of every process.

        Args:
            calibration: The artefact, or the path of its file.

        Raises:
            CalibrationInvalid: The file is malformed, inconsistent or edited.
            ContractMismatch: It belongs to other models than the enrolled templates.
            AuditError: The audit entry could not be written; nothing changed.
        """
        return records.set_calibration(self._core, calibration)

    @property
    def calibration(self) -> Calibration | None:
        """The calibration artefact in force; ``None`` where the pack's own threshold rules."""
        return self._core.snapshot().calibration

    def withdraw(self, subject_id: str, *, reason: str) -> Withdrawal:
        """Withdraw every open consent of a subject, also one that has expired or not begun.

        From the commit on no search in any process can return the subject. The templates stay until :meth:`erase`.

        Args:
            subject_id: The subject.
            reason: Why; kept with the consent record and gone with its erasure, never in the audit log.

        Raises:
            SubjectNotFound: There is no such subject.
            ConsentTransitionError: Everything is withdrawn already.
            AuditError: The audit entry could not be written; nothing was withdrawn.
        """
        return records.withdraw(self._core, subject_id, reason)

    def erase(self, subject_id: str, *, reason: str) -> Erasure:
        """Remove a subject: templates, consent records and the row itself, from the database and its files.

        The file is rebuilt and the write-ahead log emptied, so neither keeps the bytes. Other processes drop the
        vectors from memory with their next search. Backups are not reached. The audit entries stay, under a random
        reference that no longer leads anywhere.

        Args:
            subject_id: The subject.
            reason: Why; returned in the receipt and stored nowhere.

        Raises:
            SubjectNotFound: There is no such subject.
            DatabaseUnavailable: The rows are gone, but another process kept the files from being rebuilt; the next
                open or erase finishes the work.
            AuditError: The audit entry could not be written; nothing was erased.
        """
        return records.erase(self._core, subject_id, reason)

    def subjects(self) -> list[SubjectRecord]:
        """All subjects by id, with their state now; audited."""
        return records.subjects(self._core)

    def templates(self, subject_id: str | None = None) -> int:
        """Number of templates stored, of one subject or of all; audited.

        Raises:
            SubjectNotFound: There is no such subject.
        """
        return records.template_count(self._core, subject_id)

    def consents(self, subject_id: str) -> list[Consent]:
        """The consent records of a subject as they stand now, oldest first; audited.

        Raises:
            SubjectNotFound: There is no such subject.
        """
        return records.consents(self._core, subject_id)

    def close(self) -> None:
        """Close the database and forget the gallery; may be called again."""
        self._closed = True
        self._core_parts.gallery.forget()
        self._core_parts.database.close()

    def __enter__(self) -> Self:
        _ = self._core
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def _core(self) -> Core:
        if self._closed:
            raise WatchlistClosed("the watchlist is closed", hint="open it again with Watchlist.open()")
        return self._core_parts

    def _rule_book(self, requested: float | None) -> RuleBook:
        # refuses early, before a picture is decoded, what the search would refuse
        analyzer = self.analyzer
        book = RuleBook(analyzer.contract, analyzer.operating_point, self._threshold, requested, self._outgrown)
        book.rules(self._core.snapshot().calibration)
        return book
