"""The classes of the error tree; :mod:`facematch.errors` shows it whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class FacematchError(Exception):
    """Root of every error that facematch raises on purpose.

    Attributes:
        code: Stable, machine-readable name of the error; it does not change between releases.
        message: What was expected and what came instead.
        hint: What to do about it, or ``None`` where nothing sensible can be said.
    """

    code: ClassVar[str] = "facematch_error"

    def __init_subclass__(cls, *, code: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if code is not None:
            cls.code = code

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Callable[..., FacematchError], tuple[Any, ...]]:
        """Pickled form of an error: with all its attributes, whatever its constructor asks for."""
        return _restored, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} ({self.hint})"

    def to_dict(self) -> dict[str, str | None]:
        """The error as plain data: ``code``, ``message`` and ``hint``."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


def _restored(kind: type[FacematchError], args: tuple[Any, ...], attributes: dict[str, Any]) -> FacematchError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class InvalidArgument(FacematchError, ValueError, code="invalid_argument"):
    """A parameter has the wrong type, shape or range."""


class MissingExtra(FacematchError, ImportError, code="missing_extra"):
    """An optional dependency is not installed."""


class ImageDecodeError(FacematchError, code="image_unreadable"):
    """A picture could not be turned into pixels."""


class ImageNotFound(ImageDecodeError, code="image_not_found"):
    """There is no such file, or it is not a regular file."""


class ImageEmpty(ImageDecodeError, code="image_empty"):
    """The picture has zero bytes or zero pixels."""


class NotAnImage(ImageDecodeError, code="image_not_an_image"):
    """The bytes are in no supported picture format."""


class ImageTruncated(ImageDecodeError, code="image_truncated"):
    """The file ends early or its data is damaged."""


class ImageTooLarge(ImageDecodeError, code="image_too_large"):
    """The picture is over the limit on bytes or pixels; refused before its pixels are allocated."""


class ImageUnsupported(ImageDecodeError, code="image_unsupported"):
    """A picture, but of a kind that cannot be converted to 8-bit BGR without guessing."""


class VideoError(FacematchError, code="video_error"):
    """A recording could not be used."""


class VideoUnreadable(VideoError, code="video_unreadable"):
    """The file cannot be opened, or has no video stream."""


class SourceUnknown(VideoError, code="source_unknown"):
    """No registered source of frames reads what was given; the hint names the registered ones."""


class VideoWriteError(VideoError, code="video_write_failed"):
    """The annotated video could not be written."""


class SinkError(FacematchError, code="sink_failed"):
    """An alert could not be handed on."""


class ModelError(FacematchError, code="model_error"):
    """Something is wrong with a model pack or the runtime below it."""


class PackNotFound(ModelError, code="pack_not_found"):
    """There is no pack of that name, or no such folder."""


class ManifestInvalid(ModelError, code="manifest_invalid"):
    """A pack's manifest is malformed or incomplete."""


class PackUnavailable(ModelError, code="pack_unavailable"):
    """A pack's file is missing and could not be fetched."""


class PackCorrupt(ModelError, code="pack_corrupt"):
    """A pack's file does not have the recorded digest."""


class LicenseError(ModelError, code="license_forbidden"):
    """The pack's license forbids the configured use."""


class ConversionError(ModelError, code="conversion_failed"):
    """A model file could not be rewritten for the runtime."""


class ProviderUnavailable(ModelError, code="provider_unavailable"):
    """A requested execution provider is not available; facematch never falls back silently."""


class InferenceError(ModelError, code="inference_failed"):
    """The runtime failed while running a model."""


class AnalyzerBusy(InferenceError, code="analyzer_busy"):
    """Too many pictures wait for an analyzer that many threads share, and none was done in time."""


class ContractMismatch(FacematchError, code="contract_mismatch"):
    """Vectors or thresholds of another embedding contract were offered."""


class VectorIndexError(FacematchError, code="index_error"):
    """A vector index was used against its rules."""


class ConsentError(FacematchError, code="consent_error"):
    """Governance refuses what was asked."""


class ConsentRequired(ConsentError, code="consent_required"):
    """No consent record in force covers what was asked; nothing was stored."""


class ConsentInvalid(ConsentError, code="consent_invalid"):
    """A consent record lacks or contradicts something."""


class ConsentTransitionError(ConsentError, code="consent_transition"):
    """The consent state machine has no such transition."""


class PurposeRequired(ConsentError, code="purpose_required"):
    """A search was asked for without a purpose."""


class ThresholdError(FacematchError, code="threshold_error"):
    """A decision threshold cannot be used as asked."""


class CalibrationInvalid(ThresholdError, code="calibration_invalid"):
    """A calibration artifact is malformed, inconsistent or edited."""


class TooFewPeople(ThresholdError, code="too_few_people"):
    """Too few people to certify the error rate asked for; the message says how many are needed."""


class ThresholdTooLow(ThresholdError, code="threshold_too_low"):
    """A caller asked for a threshold below the tested one; it may be raised, never lowered."""


class ThresholdRequired(ThresholdError, code="threshold_required"):
    """The pack carries no tested threshold and the caller gave none."""


class PolicyRefused(ConsentError, code="policy_refused"):
    """The policy in force refuses what was asked.

    Attributes:
        rule: Name of the first rule that refuses.
    """

    def __init__(self, message: str, *, rule: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


class PolicyInvalid(ConsentError, code="policy_invalid"):
    """A policy document is malformed or contradicts itself."""


class RecipientRefused(ConsentError, code="recipient_refused"):
    """Data was to go to a recipient that the consent does not name."""


class ReferenceRestricted(ConsentError, code="reference_restricted"):
    """The subject's reference is restricted, by a complaint or otherwise, until that is decided."""


class ZoneClosed(ConsentError, code="zone_closed"):
    """The camera zone is not open: no capture basis, notice and assessment are on record for it."""


class Suspended(ConsentError, code="suspended"):
    """Identification is suspended for what was asked."""


class ReceiptInvalid(ConsentError, code="receipt_invalid"):
    """A consent receipt or an erasure certificate does not fit its signature or its files."""


class AccessError(FacematchError, code="access_error"):
    """Roles and separation of duties."""


class AccessDenied(AccessError, code="access_denied"):
    """The actor has no role that permits this."""


class SeparationOfDuties(AccessError, code="separation_of_duties"):
    """Another person has to do this."""


class ApprovalNotFound(AccessError, code="approval_not_found"):
    """Nothing of that kind waits for an approval."""


@dataclass(frozen=True, slots=True)
class PictureRefusal:
    """Why one picture was not used for enrollment.

    Attributes:
        picture: The file's name, or ``picture 3`` for bytes and arrays.
        code: Stable code: an :class:`ImageDecodeError` code, or ``no_face``, ``several_faces``,
            ``face_too_small``, ``detection_score_too_low``, ``quality_too_low``, ``duplicate_picture``,
            ``enrolled_already``.
        message: What was expected and what came.
        hint: What to do about it.
    """

    picture: str
    code: str
    message: str
    hint: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """The refusal as plain data."""
        return {"picture": self.picture, "code": self.code, "message": self.message, "hint": self.hint}


class EnrollmentRefused(FacematchError, code="enrollment_refused"):
    """No picture could be used, so nothing was stored.

    Attributes:
        refusals: One entry a picture, in the order the pictures were given.
    """

    def __init__(self, message: str, *, refusals: Sequence[PictureRefusal], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.refusals = tuple(refusals)


class QualityTooLow(EnrollmentRefused, code="quality_too_low"):
    """Every picture failed the quality gate; the refusals name the failing components."""


class WatchlistError(FacematchError, code="watchlist_error"):
    """Something is wrong with the watchlist or its database."""


class SubjectNotFound(WatchlistError, code="subject_not_found"):
    """There is no such subject on the watchlist."""


class DatabaseUnavailable(WatchlistError, code="database_unavailable"):
    """The database cannot be opened, is locked for too long, or its disk is full."""


class ErasureUnfinished(DatabaseUnavailable, code="erasure_unfinished"):
    """A subject is erased, but another process kept the files from being rebuilt; the next opening finishes that.

    Attributes:
        receipt: What ``erase`` would have returned, with the certificate.
    """

    def __init__(self, message: str, *, receipt: Any, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.receipt = receipt


class DatabaseCorrupt(WatchlistError, code="database_corrupt"):
    """The file is not a facematch database, or it is damaged."""


class DatabaseTooNew(WatchlistError, code="database_too_new"):
    """The database was written by a later version of facematch."""


class DatabaseUnsupported(WatchlistError, code="database_unsupported"):
    """The database URL is of a kind that is not supported."""


class WatchlistClosed(WatchlistError, code="watchlist_closed"):
    """The watchlist was used after ``close()``."""


class AuditError(WatchlistError, code="audit_failed"):
    """The audit entry could not be written, so the operation did not take place."""


class AuditTampered(WatchlistError, code="audit_tampered"):
    """The audit log is not what was written; the message names the places."""


class KeyUnavailable(WatchlistError, code="key_unavailable"):
    """A key is missing, wrong or damaged; nothing is served without it."""


class VaultCorrupt(WatchlistError, code="vault_corrupt"):
    """The vault that holds the wrapped data keys is damaged or of another watchlist."""


class ErasureUnproven(WatchlistError, code="erasure_unproven"):
    """Something of an erased subject is still there; the message says where."""


class BackupInvalid(WatchlistError, code="backup_invalid"):
    """A file cannot be restored: it is no backup of this watchlist."""
