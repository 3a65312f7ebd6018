"""The errors of facematch: one tree, every leaf with a stable ``code`` and a hint.

::

    FacematchError
     ├─ InvalidArgument                invalid_argument        a parameter has the wrong type, shape or range
     ├─ MissingExtra                   missing_extra           an optional dependency is not installed
     ├─ ImageDecodeError               image_unreadable        a picture could not be turned into pixels
     │   ├─ ImageNotFound              image_not_found         no such file, or not a regular file
     │   ├─ ImageEmpty                 image_empty             zero bytes
     │   ├─ NotAnImage                 image_not_an_image      the bytes are in no supported picture format
     │   ├─ ImageTruncated             image_truncated         the file ends early or its data is damaged
     │   ├─ ImageTooLarge              image_too_large         over the limit on bytes or pixels
     │   └─ ImageUnsupported           image_unsupported       a picture, but of a kind that cannot be converted
     ├─ VideoError                     video_error             a recording could not be used
     │   ├─ VideoUnreadable            video_unreadable        cannot be opened, or has no video stream
     │   └─ VideoWriteError            video_write_failed      the annotated video could not be written
     ├─ SinkError                      sink_failed             an alert could not be handed on
     ├─ ModelError                     model_error             model packs and the runtime below them
     │   ├─ PackNotFound               pack_not_found          no pack of that name, or no such folder
     │   ├─ ManifestInvalid            manifest_invalid        a pack's manifest is malformed or incomplete
     │   ├─ PackUnavailable            pack_unavailable        a pack's file is missing and could not be fetched
     │   ├─ PackCorrupt                pack_corrupt            a pack's file does not have the recorded digest
     │   ├─ LicenceError               licence_forbidden       the pack's licence forbids the configured use
     │   ├─ ConversionError            conversion_failed       a model file could not be rewritten for the runtime
     │   ├─ ProviderUnavailable        provider_unavailable    a requested execution provider is not there
     │   └─ InferenceError             inference_failed        the runtime failed while running a model
     ├─ ConsentError                   consent_error           governance refuses
     │   ├─ ConsentRequired            consent_required        no consent record in force for what was asked
     │   ├─ ConsentInvalid             consent_invalid         a consent record lacks or contradicts something
     │   ├─ ConsentTransitionError     consent_transition      the state machine has no such transition
     │   └─ PurposeRequired            purpose_required        a search was asked for without a purpose
     ├─ ThresholdError                 threshold_error         decision thresholds
     │   ├─ CalibrationInvalid         calibration_invalid     a calibration artefact is malformed or edited
     │   ├─ TooFewPeople               too_few_people          too few people to certify the error rate asked for
     │   ├─ GalleryOutgrown            gallery_outgrown        more subjects or templates than were tested
     │   ├─ ThresholdTooLow            threshold_too_low       a caller asked for less than the tested threshold
     │   └─ ThresholdRequired          threshold_required      the pack has no tested threshold
     ├─ ContractMismatch               contract_mismatch       vectors or thresholds of another embedding contract
     ├─ EnrolmentRefused               enrolment_refused       no picture could be used; ``refusals`` says why
     │   └─ QualityTooLow              quality_too_low         every picture failed the quality gate
     ├─ WatchlistError                 watchlist_error         the watchlist and its database
     │   ├─ SubjectNotFound            subject_not_found       no such subject
     │   ├─ DatabaseUnavailable        database_unavailable    cannot be opened, locked too long, or disk full
     │   ├─ DatabaseCorrupt            database_corrupt        not a facematch database, or damaged
     │   ├─ DatabaseTooNew             database_too_new        written by a later version of facematch
     │   ├─ DatabaseUnsupported        database_unsupported    a database URL of a kind that is not supported
     │   ├─ WatchlistClosed            watchlist_closed        used after ``close()``
     │   └─ AuditError                 audit_failed            the audit entry could not be written, so nothing was done
     └─ VectorIndexError               index_error             a vector index was used against its rules

Unknown people, pictures without a face and passages without a candidate are results, not errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class FacematchError(Exception):
    """Root of every error that facematch raises on purpose.

    Attributes:
        code: Stable, machine-readable name of the error; it does not change between releases.
        message: What was expected and what came instead.
        hint: What to do about it, or ``None`` where nothing sensible can be said.
    """

    code: ClassVar[str] = "facematch_error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} ({self.hint})"

    def to_dict(self) -> dict[str, str | None]:
        """The error as plain data: ``code``, ``message`` and ``hint``."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class InvalidArgument(FacematchError, ValueError):
    """A parameter has the wrong type, shape or range."""

    code = "invalid_argument"


class MissingExtra(FacematchError, ImportError):
    """An optional dependency is not installed."""

    code = "missing_extra"


class ImageDecodeError(FacematchError):
    """A picture could not be turned into pixels."""

    code = "image_unreadable"


class ImageNotFound(ImageDecodeError):
    """There is no such file, or it is not a regular file."""

    code = "image_not_found"


class ImageEmpty(ImageDecodeError):
    """The picture has zero bytes or zero pixels."""

    code = "image_empty"


class NotAnImage(ImageDecodeError):
    """The bytes are in no supported picture format."""

    code = "image_not_an_image"


class ImageTruncated(ImageDecodeError):
    """The file ends early or its data is damaged."""

    code = "image_truncated"


class ImageTooLarge(ImageDecodeError):
    """The picture is over the limit on bytes or pixels; refused before its pixels are allocated."""

    code = "image_too_large"


class ImageUnsupported(ImageDecodeError):
    """A picture, but of a kind that cannot be converted to 8-bit BGR without guessing."""

    code = "image_unsupported"


class VideoError(FacematchError):
    """A recording could not be used."""

    code = "video_error"


class VideoUnreadable(VideoError):
    """The file cannot be opened, or has no video stream."""

    code = "video_unreadable"


class VideoWriteError(VideoError):
    """The annotated video could not be written."""

    code = "video_write_failed"


class SinkError(FacematchError):
    """An alert could not be handed on."""

    code = "sink_failed"


class ModelError(FacematchError):
    """Something is wrong with a model pack or the runtime below it."""

    code = "model_error"


class PackNotFound(ModelError):
    """There is no pack of that name, or no such folder."""

    code = "pack_not_found"


class ManifestInvalid(ModelError):
    """A pack's manifest is malformed or incomplete."""

    code = "manifest_invalid"


class PackUnavailable(ModelError):
    """A pack's file is missing and could not be fetched."""

    code = "pack_unavailable"


class PackCorrupt(ModelError):
    """A pack's file does not have the recorded digest."""

    code = "pack_corrupt"


class LicenceError(ModelError):
    """The pack's licence forbids the configured use."""

    code = "licence_forbidden"


class ConversionError(ModelError):
    """A model file could not be rewritten for the runtime."""

    code = "conversion_failed"


class ProviderUnavailable(ModelError):
    """A requested execution provider is not available; facematch never falls back silently."""

    code = "provider_unavailable"


class InferenceError(ModelError):
    """The runtime failed while running a model."""

    code = "inference_failed"


class ConsentError(FacematchError):
    """Governance refuses what was asked."""

    code = "consent_error"


class ConsentRequired(ConsentError):
    """No consent record in force covers what was asked; nothing was stored."""

    code = "consent_required"


class ConsentInvalid(ConsentError):
    """A consent record lacks or contradicts something."""

    code = "consent_invalid"


class ConsentTransitionError(ConsentError):
    """The consent state machine has no such transition."""

    code = "consent_transition"


class PurposeRequired(ConsentError):
    """A search was asked for without a purpose."""

    code = "purpose_required"


class ThresholdError(FacematchError):
    """A decision threshold cannot be used as asked."""

    code = "threshold_error"


class CalibrationInvalid(ThresholdError):
    """A calibration artefact is malformed, inconsistent or edited."""

    code = "calibration_invalid"


class TooFewPeople(ThresholdError):
    """Too few people to certify the error rate asked for; the message says how many are needed."""

    code = "too_few_people"


class GalleryOutgrown(ThresholdError):
    """The gallery has more subjects, or more templates a subject, than the threshold was tested with."""

    code = "gallery_outgrown"


class ThresholdTooLow(ThresholdError):
    """A caller asked for a threshold below the tested one; it may be raised, never lowered."""

    code = "threshold_too_low"


class ThresholdRequired(ThresholdError):
    """The pack carries no tested threshold and the caller gave none."""

    code = "threshold_required"


class ContractMismatch(FacematchError):
    """Vectors or thresholds of another embedding contract were offered."""

    code = "contract_mismatch"


@dataclass(frozen=True, slots=True)
class PictureRefusal:
    """Why one picture was not used for enrolment.

    Attributes:
        picture: The file's name, or ``picture 3`` for bytes and arrays.
        code: Stable code: an :class:`ImageDecodeError` code, or ``no_face``, ``several_faces``,
            ``face_too_small``, ``detection_score_too_low``, ``quality_too_low``, ``duplicate_picture``.
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


class EnrolmentRefused(FacematchError):
    """No picture could be used, so nothing was stored.

    Attributes:
        refusals: One entry a picture, in the order the pictures were given.
    """

    code = "enrolment_refused"

    def __init__(self, message: str, *, refusals: Sequence[PictureRefusal], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.refusals = tuple(refusals)


class QualityTooLow(EnrolmentRefused):
    """Every picture failed the quality gate; the refusals name the failing components."""

    code = "quality_too_low"


class WatchlistError(FacematchError):
    """Something is wrong with the watchlist or its database."""

    code = "watchlist_error"


class SubjectNotFound(WatchlistError):
    """There is no such subject on the watchlist."""

    code = "subject_not_found"


class DatabaseUnavailable(WatchlistError):
    """The database cannot be opened, is locked for too long, or its disk is full."""

    code = "database_unavailable"


class DatabaseCorrupt(WatchlistError):
    """The file is not a facematch database, or it is damaged."""

    code = "database_corrupt"


class DatabaseTooNew(WatchlistError):
    """The database was written by a later version of facematch."""

    code = "database_too_new"


class DatabaseUnsupported(WatchlistError):
    """The database URL is of a kind that is not supported."""

    code = "database_unsupported"


class WatchlistClosed(WatchlistError):
    """The watchlist was used after ``close()``."""

    code = "watchlist_closed"


class AuditError(WatchlistError):
    """The audit entry could not be written, so the operation did not take place."""

    code = "audit_failed"


class VectorIndexError(FacematchError):
    """A vector index was used against its rules."""

    code = "index_error"
