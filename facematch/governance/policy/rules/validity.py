"""How long a consent may last."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from facematch.governance.consent.fields import MAX_VALIDITY
from facematch.governance.consent.states import OPEN_STATES, ConsentState
from facematch.governance.policy.requests import EnrollmentRequest
from facematch.governance.policy.rules.base import Refusal, Rule

__all__ = ["Validity"]


class Validity(Rule):
    """The longest that one GIVEN or RENEWED event may last.

    Attributes:
        max_days: Days, 0 to 730; 0 refuses all.
    """

    name: ClassVar[str] = "validity"
    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    max_days: Annotated[int, Field(strict=True, ge=0, le=MAX_VALIDITY.days)] = 0

    def check(self, request: object) -> Refusal | None:
        """Refuses a consent whose latest GIVEN or RENEWED event lasts longer, or that was refused.

        One that was only asked for has no end yet, and nothing may be processed under it: it is judged when given.
        """
        if not isinstance(request, EnrollmentRequest) or request.consent.state is ConsentState.REQUESTED:
            return None
        event = next((e for e in reversed(request.consent.events) if e.state in OPEN_STATES), None)
        if event is None or event.valid_until is None:
            return self.refuse("the consent was never given", "let the subject give it, with an end")
        lasts = event.valid_until - event.time
        if lasts <= timedelta(days=self.max_days):
            return None
        return self.refuse(
            f"the consent lasts {lasts / timedelta(days=1):g} days, at most {self.max_days} are allowed",
            "shorten valid_for; a renewal can follow before it ends",
        )

    def sentence(self) -> str:
        """What the rule says."""
        return f"A consent lasts at most {self.max_days} days, and so does each renewal."
