"""The class :class:`Watchlist`: one open watchlist database, and everything one may do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facematch.governance import Consent, ConsentState
from facematch.matching import Calibration
from facematch.protocols import Progress
from facematch.storage.audit_log import AuditLog
from facematch.types import (
    Enrollment,
    EnrollmentPreview,
    Erasure,
    Face,
    Identification,
    ImageSource,
    QualityGate,
    Restored,
    RetentionRun,
    SearchTerms,
    Verification,
    Withdrawal,
)
from facematch.watchlist import search
from facematch.watchlist.administration.policies import Policies
from facematch.watchlist.administration.reports import Reports
from facematch.watchlist.administration.roles import Actors
from facematch.watchlist.administration.suspensions import Suspensions
from facematch.watchlist.administration.zones import Zones
from facematch.watchlist.alerts import alert_refusal
from facematch.watchlist.calibration import set_calibration
from facematch.watchlist.consents.consents import Consents
from facematch.watchlist.consents.end import end
from facematch.watchlist.data_lifecycle.backup import backup
from facematch.watchlist.data_lifecycle.erasure import erase
from facematch.watchlist.data_lifecycle.restore import restore
from facematch.watchlist.data_lifecycle.retention import apply_retention
from facematch.watchlist.data_lifecycle.verify_erasure import ErasureCheck, verify_erasure
from facematch.watchlist.data_rights.rights import Rights
from facematch.watchlist.enrollment.approvals import Approvals
from facematch.watchlist.enrollment.enroll import enroll
from facematch.watchlist.enrollment.preview import preview
from facematch.watchlist.handle import Handle
from facematch.watchlist.keys import Keys
from facematch.watchlist.session import Session
from facematch.watchlist.subjects import Subjects

__all__ = ["Watchlist"]

DEFAULT_GATE = QualityGate()


class Watchlist(Handle):
    """Enrolled subjects, each under a consent record, in one database. Get one from :meth:`open`.

    A context manager. Threads may share it, and other actors act on the same open watchlist by :meth:`acting_as`; any
    number of processes may open the same file: a withdrawal in one is seen by the very next search in every other.
    Every call blocks, so an event loop runs it in a thread (``asyncio.to_thread``). Every call writes an audit entry
    in the same transaction as its effect; where the entry cannot be written (``AuditError``), nothing is done. Every
    call may raise ``AccessDenied`` (no role of the actor permits it), ``InvalidArgument`` and ``WatchlistClosed``.

    Searches return *candidates* for a person to judge, never identities. What an actor may do is a matter of roles;
    what the watchlist may be used for is a matter of its policy. Everything personal is encrypted under keys that lie
    beside the database, in its vault.

    Attributes:
        subjects: The subjects, listed with their state.
        consents: Consent records: filed, answered, renewed, revoked, listed.
        approvals: Enrollments that wait for another actor.
        suspensions: Suspensions of identification.
        zones: Camera zones and on which grounds they are open.
        policies: The policies, and what ruled when.
        actors: Who may do what.
        keys: Keys: their status, rotation, renewal of templates.
        rights: Complaints, disclosures, access by subjects to their data.
        reports: Reports from the live configuration.
        audit: The audit log.
    """

    def __init__(self, session: Session, *, owner: bool = True) -> None:
        super().__init__(session, owner=owner)
        resources = session.resources
        self.subjects = Subjects(session)
        self.consents = Consents(session)
        self.approvals = Approvals(session)
        self.suspensions = Suspensions(session)
        self.zones = Zones(session)
        self.policies = Policies(session)
        self.actors = Actors(session)
        self.keys = Keys(session)
        self.rights = Rights(session)
        self.reports = Reports(session)
        self.audit = AuditLog(session, resources.signer, origin=resources.origin)

    def enroll(
        self,
        subject_id: str,
        images: ImageSource | Sequence[ImageSource],
        *,
        consent: Consent | None = None,
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
            quality_gate: Limits on the face's height, its detection score, and the quality components.
            quality_override: Why pictures whose quality components fail the gate are to be taken all the same, where
                the policy allows that; the enrollment then waits for another actor.
            reuse_consent: Where a filed record in force stands on the same evidence as ``consent`` and says the same,
                use that one instead of filing another. Then the same call may be made again without harm: pictures that
                are enrolled already are refused as such, without being decoded, and evidence of a consent that has
                ended is refused.

        Raises:
            PolicyRefused: The policy refuses; ``rule`` names the rule.
            ReferenceRestricted: A complaint about the subject is open.
            ConsentRequired: No consent record is in force; nothing was stored and no picture was decoded.
            ConsentInvalid: The record is of another subject, or contradicts a filed one.
            EnrollmentRefused: No picture could be used (``QualityTooLow``: each failed the gate); nothing was stored.
            ContractMismatch: The watchlist was enrolled with other models.
        """
        return enroll(
            self._session,
            subject_id,
            images,
            consent=consent,
            gate=quality_gate,
            override=quality_override,
            reuse=reuse_consent,
        )

    def preview_enrollment(
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

        """
        return preview(self._session, images, quality_gate, purpose=purpose, site=site, zone=zone)

    def identify(
        self,
        image: ImageSource,
        *,
        purpose: str,
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
            PurposeRequired: The purpose is empty.
            Suspended: Identification is suspended there.
            PolicyRefused: The policy refuses the purpose, the place or the gallery.
            ZoneClosed: The zone is not open.
            ImageDecodeError: The picture cannot be decoded.
            ThresholdTooLow: The threshold is below the tested one.
            ThresholdRequired: The pack has no tested threshold and none was given.
            ContractMismatch: The watchlist was enrolled with other models.
        """
        return search.identify(
            self._session, image, purpose=purpose, site=site, zone=zone, top_k=top_k, threshold=threshold
        )

    def identify_faces(
        self,
        faces: Sequence[Face],
        *,
        purpose: str,
        site: str | None = None,
        zone: str | None = None,
        top_k: int = 5,
        threshold: float | None = None,
    ) -> Identification:
        """Search faces that already have embeddings, as one audited search; otherwise as :meth:`identify`.

        Raises:
            InvalidArgument: A face has no embedding, or one that is not finite or not of unit length.
        """
        return search.identify_faces(
            self._session, faces, purpose=purpose, site=site, zone=zone, top_k=top_k, threshold=threshold
        )

    def verify(
        self,
        subject_id: str,
        image: ImageSource,
        *,
        purpose: str,
        site: str | None = None,
        zone: str | None = None,
        threshold: float | None = None,
    ) -> Verification:
        """Compare the one face of a picture with one subject (1:1); otherwise as :meth:`identify`.

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
        """
        return search.verify(
            self._session, subject_id, image, purpose=purpose, site=site, zone=zone, threshold=threshold
        )

    def search_terms(
        self, *, purpose: str, site: str | None = None, zone: str | None = None, threshold: float | None = None
    ) -> SearchTerms:
        """Terms of a search now: threshold, gallery in scope, policy; refused as :meth:`identify` would be."""
        return search.search_terms(self._session, purpose=purpose, site=site, zone=zone, threshold=threshold)

    def alert_refusal(self, *, frames: int, policy_version: int, cameras: int = 1) -> str | None:
        """Why the policy refuses an alert on a passage, in words; ``None`` where it permits one. Not audited.

        Args:
            frames: Frames of the passage.
            policy_version: Version of the policy to ask: the one that ruled the search.
            cameras: Cameras that saw it.

        Raises:
            AccessDenied: The actor has no role.
            InvalidArgument: There is no such version.
        """
        return alert_refusal(self._session, frames=frames, cameras=cameras, policy_version=policy_version)

    def withdraw(self, subject_id: str, *, reason: str) -> Withdrawal:
        """The subject ends every open consent, also one that has expired or not begun.

        From the commit on no search in any process can return the subject, and no restored backup brings the consent
        back. The templates stay until :meth:`erase` or :meth:`apply_retention`.

        Args:
            subject_id: The subject.
            reason: Why; sealed under the subject's key, and gone with it.

        Raises:
            SubjectNotFound: There is no such subject.
            ConsentTransitionError: Everything has ended already.
        """
        return end(self._session, subject_id, reason, ConsentState.WITHDRAWN)

    def erase(self, subject_id: str, *, reason: str) -> Erasure:
        """Remove a subject: templates, consent records, the row itself, and the data key that they were sealed under.

        The file is rebuilt and the write-ahead log emptied, so neither keeps the bytes. Backups keep sealed bytes that
        cannot be opened any more. Other processes drop the vectors from memory with their next search. The audit
        entries stay, under a random reference that no longer leads anywhere.

        Args:
            subject_id: The subject.
            reason: Why; in the certificate, and stored nowhere.

        Raises:
            SubjectNotFound: There is no such subject.
            ErasureUnfinished: The rows and the key are gone, but another process kept the files from being rebuilt;
                the next open or erase finishes the work.
        """
        return erase(self._session, subject_id, reason)

    def verify_erasure(
        self, certificate: Mapping[str, Any] | str | bytes, *, extra_files: Sequence[Path] = ()
    ) -> ErasureCheck:
        """Prove an erasure by its certificate: by rows, gallery, key state, audit log, and the bytes of all files.

        Args:
            certificate: What :meth:`erase` returned, as plain data or JSON.
            extra_files: More files to scan, such as snapshots that should hold nothing.

        Raises:
            ReceiptInvalid: The certificate is not genuine.
        """
        return verify_erasure(self._session, certificate, extra_files)

    def apply_retention(
        self,
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
        on_erasure: Callable[[Erasure], None] | None = None,
    ) -> RetentionRun:
        """Apply the policy's retention now, by the watchlist's clock: expire, erase, reject and prune what is due.

        Args:
            dry_run: Only say what would be done.
            progress: Called for every subject that is erased.
            on_erasure: Called with every receipt as soon as it is there, so that its certificate can be kept even if
                the run is cut off later.
        """
        return apply_retention(self._session, dry_run=dry_run, progress=progress, on_erasure=on_erasure)

    def set_calibration(self, calibration: str | Path | Calibration) -> Calibration:
        """Put a calibration artifact in force: its threshold and subject rule, with the next search of every process.

        Args:
            calibration: The artifact, or the path of its file.

        Raises:
            CalibrationInvalid: The file is malformed, inconsistent or edited.
            ContractMismatch: It belongs to other models than the enrolled templates.
        """
        return set_calibration(self._session, calibration)

    @property
    def calibration(self) -> Calibration | None:
        """The calibration artifact in force; ``None`` where the pack's own threshold rules."""
        self._session.configuration()
        return self._session.resources.snapshot().calibration

    def backup(self, path: str | Path, *, vault_copy: str | Path | None = None) -> Path:
        """Write a backup of the database; it holds no keys.

        Args:
            path: A file that is not there yet.
            vault_copy: Where the one current copy of the vault is kept; it is overwritten. Never keep older copies.

        Raises:
            DatabaseUnavailable: It cannot be written.
        """
        return backup(self._session, Path(path), None if vault_copy is None else Path(vault_copy))

    def restore(self, path: str | Path) -> Restored:
        """Bring back subjects, consents and templates from a backup of this watchlist.

        Withdrawals and erasures made after the backup are applied again. Audit log, policies, roles, zones, suspensions
        and complaints are not restored. Identification is suspended everywhere until two people lift that.

        Raises:
            BackupInvalid: The file is no backup of this watchlist.
        """
        return restore(self._session, Path(path))
