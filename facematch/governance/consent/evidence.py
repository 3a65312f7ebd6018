"""Evidence and notices of consent records: files that are hashed into the record, never stored."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from pydantic import ValidationError

from facematch.errors import ConsentInvalid
from facematch.governance.consent.parts import PrivacyNotice

__all__ = ["EVIDENCE_HINT", "NOTICE_HINT", "digest_of_file", "evidence_digest", "notice_of"]

_CHUNK = 1 << 20

EVIDENCE_HINT = "pass evidence= the path of the signed form"
NOTICE_HINT = "pass notice= the path of the privacy notice that the subject was shown"


def digest_of_file(path: str | os.PathLike[str], what: str) -> str:
    """SHA-256 (hex) of a file that a consent record refers to.

    Args:
        path: The file.
        what: ``"notice"`` or ``"evidence"``, for the message.

    Raises:
        ConsentInvalid: There is no such file, it is no regular file, it is empty, or it cannot be read.
    """
    file = Path(path)
    try:
        if not file.is_file():
            kind = "is not a regular file" if file.exists() else "does not exist"
            raise ConsentInvalid(
                f"the {what} file {file.name!r} {kind}",
                hint=f"pass {what}= the path of the file itself; it is hashed into the consent record",
            )
        sha256, size = hashlib.sha256(), 0
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                sha256.update(chunk)
                size += len(chunk)
    except (OSError, ValueError) as error:
        raise ConsentInvalid(
            f"the {what} file {file.name!r} cannot be read: {type(error).__name__}",
            hint="check the path and its permissions",
        ) from error
    if size == 0:
        raise ConsentInvalid(
            f"the {what} file {file.name!r} is empty", hint=f"pass the {what} that the subject saw or signed"
        )
    return sha256.hexdigest()


def notice_of(notice: object, uri: str | None) -> PrivacyNotice:
    """The notice by digest.

    Args:
        notice: A path, or the bytes themselves.
        uri: Where it can be found; default the file's name, or the digest as a URN.

    Raises:
        ConsentInvalid: It is missing, empty, cannot be read, or of another type.
    """
    if isinstance(notice, bytes | bytearray | memoryview):
        content = bytes(notice)
        if not content:
            raise ConsentInvalid("the notice is empty", hint="pass the privacy notice that the subject was shown")
        digest = hashlib.sha256(content).hexdigest()
        default = f"urn:sha256:{digest}"
    elif isinstance(notice, str | os.PathLike):
        digest = digest_of_file(notice, "notice")
        default = Path(notice).name
    else:
        raise ConsentInvalid(f"notice must be a path or bytes, got {type(notice).__name__}", hint=NOTICE_HINT)
    try:
        return PrivacyNotice(uri=default if uri is None else uri, sha256=digest)
    except ValidationError:
        raise ConsentInvalid("notice_uri must have 1 to 2000 characters", hint="pass the notice's address") from None


def evidence_digest(evidence: object) -> str:
    """SHA-256 (hex) of the evidence file.

    Raises:
        ConsentInvalid: It is missing, empty, cannot be read, or no path.
    """
    if not isinstance(evidence, str | os.PathLike):
        raise ConsentInvalid(f"evidence must be the path of a file, got {type(evidence).__name__}", hint=EVIDENCE_HINT)
    return digest_of_file(evidence, "evidence")
