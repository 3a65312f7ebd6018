"""Audit log of one subject, as that subject may see it: their own part of every entry, and no other person's.

Entries about the subject are given as they are. Of entries that only list the subject (a search that returned several
people, an enrollment that the subject looked alike to) only what is known to be harmless is given. In both, the
references of other people become a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from facematch.governance.audit import AuditEntry

__all__ = ["LogLine", "log_line", "what_happened"]

WITHHELD: Final = "withheld: it concerns somebody else"
"""Replacement of a text that names another reference."""

_REFERENCE: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_LISTS: Final = ("candidates", "look_alikes")
_SHARED: Final = frozenset(
    {"purpose", "site", "zone", "probes", "threshold", "gallery_size", "generation", "policy_version", "code", *_LISTS}
)
"""Details that may be told of an entry that is not about the subject alone; others are left out."""

_HAPPENED: Final = {
    "enroll": "You were enrolled",
    "identify": "A search was made",
    "verify": "A picture was compared with you",
    "withdraw": "Your consent was withdrawn",
    "revoke": "The controller ended your consent",
    "invalidate": "Your consent was found not to be valid",
    "expire": "Your consent expired",
    "renew": "Your consent was renewed",
    "record_consent": "Your consent was recorded",
    "receipt": "A receipt of your consent was made",
    "read_consents": "Your consent records were read",
    "count_templates": "Your templates were counted",
    "approve": "Your enrollment was approved",
    "reject": "Your enrollment was rejected",
    "erase": "You were erased",
    "complaint": "A complaint was taken up; searches stopped returning you",
    "restrict": "Searches stopped returning you",
    "unrestrict": "A complaint was decided",
    "disclose": "Your consent records were disclosed",
    "export_subject": "A copy of your data was made",
}
_LISTED: Final = {
    "identify": "A search returned you as a candidate",
    "enroll": "Somebody was enrolled whom you look alike to",
    "preview": "Pictures were looked at that you look alike to",
}
_ENDED: Final = {"done": "", "refused": " (refused)", "failed": " (failed)"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """Entry of the log, as the subject may see it.

    Attributes:
        seq: Its number in the log.
        time: When, UTC.
        actor: Which account did it.
        action: What was asked for.
        outcome: How it ended.
        about_you: Whether the entry is about the subject; otherwise it lists the subject.
        details: The details, without those of others.
        private: What was sealed under the subject's key.
    """

    seq: int
    time: datetime
    actor: str
    action: str
    outcome: str
    about_you: bool
    details: Mapping[str, Any]
    private: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The line as plain data, ready for JSON."""
        return {
            "seq": self.seq,
            "time": self.time.isoformat(),
            "actor": self.actor,
            "action": self.action,
            "outcome": self.outcome,
            "about_you": self.about_you,
            "what_happened": what_happened(self),
            "details": dict(self.details),
            **({"private": dict(self.private)} if self.private else {}),
        }


def log_line(entry: AuditEntry, subject_ref: str, own: frozenset[str], private: Mapping[str, Any]) -> LogLine:
    """An entry as the subject may see it.

    Args:
        entry: The entry; about the subject, or one whose details list the subject.
        subject_ref: The subject's reference.
        own: What else belongs to the subject and looks like a reference: ids of consent records.
        private: The entry's private part, unsealed; only given for entries about the subject.
    """
    about = entry.subject_ref == subject_ref
    known = {name.lower() for name in (subject_ref, *own)}
    details: dict[str, Any] = {}
    for name, value in entry.details.items():
        if not about and name not in _SHARED:
            continue
        if name in _LISTS and isinstance(value, list):
            listed = {} if about else {"you": subject_ref in value}
            details[name] = {**listed, "others": sum(item != subject_ref for item in value)}
        else:
            details[name] = _without_others(value, known)
    return LogLine(
        seq=entry.seq,
        time=entry.time,
        actor=entry.actor,
        action=entry.action,
        outcome=entry.outcome,
        about_you=about,
        details=details,
        private=dict(private) if about else {},
    )


def what_happened(line: LogLine) -> str:
    """The line in words."""
    words = _HAPPENED if line.about_you else _LISTED
    said = words.get(line.action, f"Action {line.action!r}" + ("" if line.about_you else ", which lists you"))
    return said + _ENDED.get(line.outcome, f" ({line.outcome})")


def _without_others(value: Any, known: set[str]) -> Any:
    if isinstance(value, str):
        return WITHHELD if _foreign(value, known) else value
    if isinstance(value, Mapping):
        return {
            WITHHELD if _foreign(str(name), known) else name: _without_others(item, known)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_others(item, known) for item in value]
    return value


def _foreign(text: str, known: set[str]) -> bool:
    return any(found.lower() not in known for found in _REFERENCE.findall(text))
