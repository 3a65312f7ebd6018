"""Syntax of the names that people give to things: subjects, purposes, sites, zones, actors.

One validator for all of them, so that two spellings that look alike cannot name two subjects.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TypeGuard

from facematch.errors import InvalidArgument

__all__ = [
    "check_kebab",
    "check_name",
    "check_number",
    "check_purpose",
    "check_site",
    "check_subject_id",
    "check_text",
    "check_zone",
    "is_subject_id",
    "same_name",
]

_KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Default_Ignorable_Code_Point of Unicode, as far as Python calls it printable, and the empty Braille pattern."""

_MAX_NAME = 128
_MAX_TEXT = 2000


def check_name(value: object, what: str) -> str:
    """Check a name: 1 to 128 visible characters, no surrounding whitespace, Unicode NFC.

    Args:
        value: The name.
        what: What it names, for the message.

    Returns:
        The name, unchanged.

    Raises:
        InvalidArgument: It breaks a rule. The message does not repeat the value, which may be personal data.
    """
    if not isinstance(value, str):
        raise InvalidArgument(f"{what} must be text, got {type(value).__name__}", hint=f"pass {what} as a str")
    if not 1 <= len(value) <= _MAX_NAME:
        raise InvalidArgument(
            f"{what} must have 1 to {_MAX_NAME} characters, got {len(value)}", hint="use a short opaque identifier"
        )
    if value != value.strip():
        raise InvalidArgument(f"{what} has whitespace at its start or end", hint="strip it")
    if not value.isprintable():
        raise InvalidArgument(
            f"{what} contains control, invisible or unassigned characters", hint="use visible characters only"
        )
    if not unicodedata.is_normalized("NFC", value):
        raise InvalidArgument(
            f"{what} is not in Unicode NFC, so two identical-looking names could differ",
            hint='pass unicodedata.normalize("NFC", name)',
        )
    return value


def check_subject_id(value: object) -> str:
    """Check the opaque identifier of a subject; see :func:`check_name`."""
    return check_name(value, "subject_id")


def is_subject_id(value: object) -> TypeGuard[str]:
    """Whether ``value`` could be a subject's identifier."""
    try:
        check_subject_id(value)
    except InvalidArgument:
        return False
    return True


def check_site(value: object) -> str:
    """Check the name of a site; see :func:`check_name`."""
    return check_name(value, "a site")


def check_zone(value: object) -> str:
    """Check the name of a zone, the area of a site that a camera sees; see :func:`check_name`."""
    return check_name(value, "a zone")


def check_kebab(value: object, what: str) -> str:
    """Check a name in lower-case kebab form, such as ``site-access``.

    Args:
        value: The name.
        what: What it names, with its article, for the message.

    Raises:
        InvalidArgument: It is no such name.
    """
    name = check_name(value, what)
    if not _KEBAB.fullmatch(name):
        raise InvalidArgument(
            f"{what} is written in lower-case letters, digits and single hyphens, got {name!r}",
            hint='for example "site-access"',
        )
    return name


def check_purpose(value: object) -> str:
    """Check a purpose; see :func:`check_kebab`."""
    return check_kebab(value, "a purpose")


def same_name(first: str, second: str) -> bool:
    """Whether two names may be one person's: equal but for case, compatibility forms and white space.

    Characters that show nothing, such as variation selectors, make no other name either. Used where two *different*
    people are asked for, so that ``ana`` and ``Ana`` do not count as two.
    """
    return _folded(first) == _folded(second)


def _folded(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(_UNSEEN.sub("", folded).split())


def check_number(value: object, what: str) -> int:
    """Check the number of an enrollment, a complaint or a suspension: a whole number that a database can hold.

    Raises:
        InvalidArgument: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not abs(value) < 1 << 63:
        raise InvalidArgument(f"{what} must be a whole number", hint=f"pass {what} as it was given")
    return value


def check_text(value: object, what: str) -> str:
    """Check free text such as a reason: 1 to 2000 characters, not only whitespace, no NUL.

    Raises:
        InvalidArgument: It breaks a rule.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument(f"{what} must be text that says something", hint=f"pass {what} as a non-empty str")
    if len(value) > _MAX_TEXT:
        raise InvalidArgument(f"{what} may have {_MAX_TEXT} characters, got {len(value)}", hint="shorten it")
    if "\0" in value or any(unicodedata.category(c) == "Cs" for c in value):
        raise InvalidArgument(f"{what} contains a NUL or a lone surrogate", hint="pass plain text")
    return value
