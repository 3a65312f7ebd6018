"""The class :class:`Watchlist`: one open watchlist database, and everything one may do with it."""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from facematch import registry
from facematch.errors import WatchlistClosed
from facematch.governance import AuditAction, AuditLog, Consent, check_subject_id, utc_now
from facematch.governance.identifiers import check_name
from facematch.matching import effective_threshold
from facematch.matching.threshold import check_threshold
from facematch.protocols import Analyzer, Clock, VectorIndex
from facematch.settings import Settings, Use
from facematch.types import (
    Enrolment,
    Erasure,
    Face,
    Identification,
    ImageSource,
    SubjectRecord,
    Verification,
    Withdrawal,
)
from facematch.watchlist import enrolment, identification, records
from facematch.watchlist.audit import TableAuditLog
from facematch.watchlist.core import Core
from facematch.watchlist.database import Database
from facematch.watchlist.gallery import Gallery
from facematch.watchlist.store import Store

__all__ = ["Watchlist"]


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
        analyzer: Analyzer | None,
        load_analyzer: Callable[[], Analyzer],
        threshold: float | None,
    ) -> None:
        self._core_parts = core
        self._given_analyzer = analyzer
        self._load_analyzer = load_analyzer
        self._threshold = threshold
        self._loading = threading.Lock()
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
        name = check_name(_login(settings) if actor is None else actor, "actor")
        if isinstance(index, str) and index not in registry.available("facematch.indexes"):
            registry.load("facematch.indexes", index)  # raises, and says what is registered

        def new_index(dimension: int) -> VectorIndex:
            factory = registry.load("facematch.indexes", index) if isinstance(index, str) else index
            made: VectorIndex = factory(dimension)
            return made

        def load_analyzer() -> Analyzer:
            from facematch.faces import FaceAnalyzer  # the runtime takes a while to import

            return FaceAnalyzer.from_pack(pack, use=use, settings=settings)

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
        return cls(core, analyzer=analyzer, load_analyzer=load_analyzer, threshold=threshold)

    @property
    def analyzer(self) -> Analyzer:
        """The pipeline from pictures to embeddings; loaded on first use.

        Raises:
            ContractMismatch: It makes other vectors than the enrolled ones.
            ModelError: The pack cannot be loaded.
            WatchlistClosed: After :meth:`close`.
        """
        core = self._core
        with self._loading:
            if self._given_analyzer is None:
                loaded = self._load_analyzer()
                with core.database.read() as connection:
                    core.store.check_contract(connection, loaded.contract)
                self._given_analyzer = loaded
            return self._given_analyzer

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
    ) -> Enrolment:
        """Enroll a subject from one or many pictures, each showing exactly one usable face.

        Only the pictures' digests are kept. New templates stand on the consent record that is passed, or, without
        one, on the latest filed record that is in force; each template ends with its own record. A new record for a
        subject who already has one is filed beside it, and the same picture may stand on both.

        Args:
            subject_id: Opaque identifier: 1 to 128 visible characters.
            images: Paths, bytes of picture files, or BGR arrays.
            consent: The subject's consent record.
            min_face_height: Smallest height of the face's box, in pixels.
            min_detection_score: Lowest detection score, in ``[0, 1]``.

        Returns:
            What was stored, and which pictures were refused and why.

        Raises:
            ConsentRequired: No consent record is in force; nothing was stored and no picture was decoded.
            ConsentInvalid: The record is of another subject, or contradicts a filed one.
            EnrolmentRefused: No picture could be used; nothing was stored.
            ContractMismatch: The watchlist was enrolled with other models.
            InvalidArgument: An argument is malformed.
            AuditError: The audit entry could not be written; nothing was stored.
        """
        core = self._core
        gates = enrolment.Gates(min_face_height, min_detection_score)
        return enrolment.enroll(core, lambda: self.analyzer, subject_id, images, consent=consent, gates=gates)

    def identify(
        self,
        image: ImageSource,
        *,
        purpose: str = "",
        site: str | None = None,
        top_k: int = 5,
        threshold: float | None = None,
    ) -> Identification:
        """Search every face of a picture (1:N).

        Args:
            image: A path, the bytes of a picture file, or a BGR array.
            purpose: What the search is for. Only subjects whose consent names it are compared.
            site: Where it is made. Without one, only subjects whose consent covers every site are compared.
            top_k: Candidates wanted a face, 1 to 1000.
            threshold: Raises the threshold for this search, a raw cosine.

        Returns:
            One probe a face, in reading order; none when the picture shows no face.

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
            analyzer = self.analyzer
            limit = self._effective(analyzer, threshold)
            faces = analyzer.analyze([image])[0]
            return identification.identify(core, faces, request, threshold=limit, contract=analyzer.contract)

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
            analyzer = self.analyzer
            limit = self._effective(analyzer, threshold)
            return identification.identify(core, list(faces), request, threshold=limit, contract=analyzer.contract)

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
            analyzer = self.analyzer
            limit = self._effective(analyzer, threshold)
            faces = analyzer.analyze([image])[0]
            return identification.verify(core, subject_id, faces, request, threshold=limit, contract=analyzer.contract)

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
        """Enter the context."""
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

    def _effective(self, analyzer: Analyzer, requested: float | None) -> float:
        return effective_threshold(
            analyzer.operating_point, analyzer.contract.digest, requested, default=self._threshold
        )


def _login(settings: Settings | None) -> str:
    if settings is not None and settings.actor is not None:
        return settings.actor
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid-{os.getuid()}"
