"""Rules of alerts: corroboration, reviewers, precision, media of unconfirmed alerts."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from facematch.governance.names import same_name
from facematch.governance.policy.requests import ActionRequest, AlertRequest, MediaRequest, PrecisionRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule, Share, unset

__all__ = ["Corroboration", "Precision", "Reviewers", "UnconfirmedMedia"]


class Corroboration(Rule):
    """Corroboration of an alert by several frames or two cameras.

    Attributes:
        frames: Frames of one passage in which the face has to be detected, from 1; ``None`` refuses every alert. The
            template that is searched is fused from the best of them.
        two_cameras: Whether two cameras do instead.
    """

    concerns: ClassVar[tuple[type, ...]] = (AlertRequest,)

    frames: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None
    two_cameras: Flag = False

    def check(self, request: object) -> Refusal | None:
        """Refuses an alert on too few frames."""
        if not isinstance(request, AlertRequest):
            return None
        if self.frames is None:
            return unset(self, "a number of frames")
        if request.frames >= self.frames or (self.two_cameras and request.cameras >= 2):
            return None
        cameras = " or two cameras" if self.two_cameras else ""
        return self.refuse(
            f"{request.frames} frames speak for the alert, {self.frames}{cameras} are needed",
            "wait for more frames of the passage",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        if self.frames is None:
            return "No alert is raised, because the policy sets no number of frames."
        cameras = ", or by two cameras" if self.two_cameras else ""
        return f"An alert needs a face detected in {self.frames} or more frames of one passage{cameras}."


class Reviewers(Rule):
    """Adjudication of alerts by distinct reviewers.

    Attributes:
        count: Distinct reviewers who have to confirm, from 1; ``None`` refuses every action.
        blind: Whether a later reviewer sees neither the earlier verdicts nor the score.
    """

    concerns: ClassVar[tuple[type, ...]] = (ActionRequest,)

    count: Annotated[int, Field(strict=True, ge=1, le=10)] | None = None
    blind: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses an action on an alert that was rejected once, or that too few people confirmed."""
        if not isinstance(request, ActionRequest):
            return None
        if self.count is None:
            return unset(self, "a number of reviewers")
        if request.rejected_by:
            return self.refuse(
                "a reviewer rejected the alert, which closes it", "do nothing; one rejection outweighs confirmations"
            )
        distinct = _distinct(request.confirmed_by)
        if distinct >= self.count:
            return None
        return self.refuse(
            f"{distinct} of {self.count} distinct reviewers confirmed the alert", "let another reviewer decide first"
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        if self.count is None:
            return "No action is recorded, because the policy sets no number of reviewers."
        if self.count == 1:
            return "An action may follow only after a reviewer confirmed; one rejection ends it."
        blind = ", each without seeing verdicts or scores" if self.blind else ""
        return (
            f"An action may follow only after {self.count} distinct reviewers confirmed{blind}; one rejection ends it."
        )


class UnconfirmedMedia(Rule):
    """Retention period of the media of alerts that were not confirmed.

    Attributes:
        max_hours: Hours from the alert until its media is deleted; 0 deletes at once.
        by_midnight: Whether it goes at the next midnight in UTC, where that comes first.
    """

    concerns: ClassVar[tuple[type, ...]] = (MediaRequest,)

    max_hours: Annotated[int, Field(strict=True, ge=0, le=24 * 3660)] = 0
    by_midnight: Flag = True

    def deadline(self, since: datetime) -> datetime:
        """Moment from which the media may be kept no longer.

        Args:
            since: When the alert was raised, timezone-aware.
        """
        end = since + timedelta(hours=self.max_hours)
        if not self.by_midnight:
            return end
        day = since.astimezone(UTC).date() + timedelta(days=1)
        return min(end, datetime.combine(day, time(), UTC))

    def check(self, request: object) -> Refusal | None:
        """Refuses to keep media past its deadline."""
        if not isinstance(request, MediaRequest):
            return None
        deadline = self.deadline(request.since)
        if request.now < deadline:
            return None
        return self.refuse(
            f"the media of an unconfirmed alert had to go at {deadline.isoformat(timespec='seconds')}", "delete it"
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        midnight = " or at midnight UTC, whichever is sooner" if self.by_midnight else ""
        return f"The media of an alert that was not confirmed is deleted after {self.max_hours} hours{midnight}."


def _distinct(people: tuple[str, ...]) -> int:
    found: list[str] = []
    for person in people:
        if not any(same_name(person, other) for other in found):
            found.append(person)
    return len(found)


class Precision(Rule):
    """Live precision of a site: confirmed alerts as a share of those that were confirmed or rejected.

    Attributes:
        minimum: The lowest share, 0 to 1; 0 never refuses, ``None`` always does.
        min_decided: Decided alerts before it is judged, from 1: a share of very few says nothing.
    """

    concerns: ClassVar[tuple[type, ...]] = (PrecisionRequest,)

    minimum: Share | None = None
    min_decided: Annotated[int, Field(strict=True, ge=1, le=10**6)] = 1

    def check(self, request: object) -> Refusal | None:
        """Refuses to go on where too many decided alerts were wrong."""
        if not isinstance(request, PrecisionRequest):
            return None
        if self.minimum is None:
            return unset(self, "a minimum")
        decided = request.confirmed + request.rejected
        if decided < self.min_decided or request.confirmed >= self.minimum * decided:
            return None
        place = "searches without a site" if request.site is None else f"site {request.site!r}"
        return self.refuse(
            f"{request.confirmed} of {decided} decided alerts at {place} were right, "
            f"at least {self.minimum:.0%} are needed",
            "suspend the site, find the cause, and calibrate before resuming",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        if self.minimum is None:
            return "No site goes on, because the policy sets no minimum precision."
        return (
            f"From {self.min_decided} decided alerts on, a site suspends itself where fewer than {self.minimum:.0%} "
            "were right."
        )
