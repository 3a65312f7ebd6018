"""Enrollment of many subjects: several at a time, each in a transaction of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from facematch.bulk.listing import Listed
from facematch.errors import (
    ConsentInvalid,
    ConsentRequired,
    EnrollmentRefused,
    FacematchError,
    InvalidArgument,
    PolicyRefused,
    ReferenceRestricted,
)
from facematch.parallel import shared_out, usable_cpus
from facematch.protocols import Progress
from facematch.types import Candidate, PictureRefusal
from facematch.watchlist import Watchlist

__all__ = ["SubjectOutcome", "enroll_listed"]

_OF_THE_SUBJECT: Final = (
    ConsentInvalid,
    ConsentRequired,
    EnrollmentRefused,
    InvalidArgument,
    PolicyRefused,
    ReferenceRestricted,
)
"""Errors that concern one subject. Anything else would meet the next one, too, and ends the run."""

_AGAIN: Final = "enrolled_already"


@dataclass(frozen=True, slots=True)
class SubjectOutcome:
    """Outcome of one subject of a listing.

    Attributes:
        subject_id: The subject.
        line: Line of the listing.
        state: ``"active"``, ``"pending"`` until another actor approves, ``"already"`` enrolled from these pictures, or
            ``"refused"``; then nothing was stored.
        templates: Templates made.
        refusals: Pictures that were not used, and why.
        look_alikes: Other subjects that the pictures reach.
        error: Why the subject was refused.
    """

    subject_id: str
    line: int
    state: Literal["active", "pending", "already", "refused"]
    templates: int = 0
    refusals: tuple[PictureRefusal, ...] = ()
    look_alikes: tuple[Candidate, ...] = ()
    error: FacematchError | None = None

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain data."""
        return {
            "subject_id": self.subject_id,
            "line": self.line,
            "state": self.state,
            "templates": self.templates,
            "refusals": [refusal.to_dict() for refusal in self.refusals],
            "look_alikes": [{"subject_id": c.subject_id, "score": round(c.score, 6)} for c in self.look_alikes],
            "error": None if self.error is None else self.error.to_dict(),
        }


def enroll_listed(
    watchlist: Watchlist,
    listed: Sequence[Listed],
    tell: Callable[[SubjectOutcome], None],
    *,
    actor: str,
    threads: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Enroll the subjects of a listing, as many at a time as there are processors.

    Each is enrolled whole or not at all, under its own consent. Interrupted, those that are done stay; the same listing
    may be given again: whose evidence, terms and pictures are enrolled already is told as such and stays as it is.

    Args:
        watchlist: The watchlist.
        listed: The subjects, each once.
        tell: Called with every outcome as it comes, one at a time; not in the listing's order.
        actor: Who records the consents.
        threads: How many subjects at a time; default one for each processor.
        progress: Called with subjects done and subjects in all.

    Raises:
        FacematchError: What concerns more than one subject: rights, keys, models, database. Subjects done before stay.
    """
    telling = threading.Lock()
    done = 0

    def work(waiting: Iterator[Listed]) -> None:
        nonlocal done
        for each in waiting:
            outcome = _enroll(watchlist, each, actor)
            with telling:
                done += 1
                tell(outcome)
                if progress is not None:
                    progress(done, len(listed))

    shared_out(listed, work, wanted=threads or usable_cpus())


def _enroll(watchlist: Watchlist, each: Listed, actor: str) -> SubjectOutcome:
    try:
        consent = each.consent(actor=actor)
        done = watchlist.enroll(each.subject_id, list(each.pictures), consent=consent, reuse_consent=True)
    except _OF_THE_SUBJECT as error:
        refusals = error.refusals if isinstance(error, EnrollmentRefused) else ()
        if any(refusal.code == _AGAIN for refusal in refusals):
            return SubjectOutcome(each.subject_id, each.line, "already", refusals=refusals)
        return SubjectOutcome(each.subject_id, each.line, "refused", refusals=refusals, error=error)
    state: Literal["pending", "active"] = "pending" if done.state == "pending" else "active"
    return SubjectOutcome(
        each.subject_id, each.line, state, len(done.template_ids), done.refusals, look_alikes=done.look_alikes
    )
