"""Errors of enrollment, the watchlist, its database, its keys and its audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facematch.errors.base import FacematchError


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


class EnrollmentRefused(FacematchError):
    """No picture could be used, so nothing was stored.

    Attributes:
        refusals: One entry a picture, in the order the pictures were given.
    """

    code = "enrollment_refused"

    def __init__(self, message: str, *, refusals: Sequence[PictureRefusal], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.refusals = tuple(refusals)


class QualityTooLow(EnrollmentRefused):
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


class ErasureUnfinished(DatabaseUnavailable):
    """A subject is erased, but another process kept the files from being rebuilt; the next opening finishes that.

    Attributes:
        receipt: What ``erase`` would have returned, with the certificate.
    """

    code = "erasure_unfinished"

    def __init__(self, message: str, *, receipt: Any, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.receipt = receipt


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


class AuditTampered(WatchlistError):
    """The audit log is not what was written; the message names the places."""

    code = "audit_tampered"


class KeyUnavailable(WatchlistError):
    """A key is missing, wrong or damaged; nothing is served without it."""

    code = "key_unavailable"


class VaultCorrupt(WatchlistError):
    """The vault that holds the wrapped data keys is damaged or of another watchlist."""

    code = "vault_corrupt"


class ErasureUnproven(WatchlistError):
    """Something of an erased subject is still there; the message says where."""

    code = "erasure_unproven"


class BackupInvalid(WatchlistError):
    """A file cannot be restored: it is no backup of this watchlist."""

    code = "backup_invalid"
