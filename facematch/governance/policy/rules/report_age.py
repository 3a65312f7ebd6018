"""How old the test of a threshold may be."""

from __future__ import annotations

from typing import ClassVar

from facematch.governance.policy.requests import SearchRequest
from facematch.governance.policy.rules.base import Count, Flag, Refusal, Rule

__all__ = ["ReportAge"]


class ReportAge(Rule):
    """The age of the test report that the threshold comes from.

    Attributes:
        required: Whether a search needs a report that is young enough. Where not, its age is not judged.
        max_age_days: Days; 0 accepts only a report of the same day.
    """

    name: ClassVar[str] = "test_report"
    concerns: ClassVar[tuple[type, ...]] = (SearchRequest,)

    required: Flag = True
    max_age_days: Count = 0

    def check(self, request: object) -> Refusal | None:
        """Refuses a search without a test report, with one that is too old, or with one from the future."""
        if not isinstance(request, SearchRequest) or not self.required:
            return None
        hint = "evaluate anew and set the calibration with Watchlist.set_calibration()"
        if request.calibration is None:
            return self.refuse("there is no test report", hint)
        age = (request.now.date() - request.calibration.measured_at).days
        if age < -1:  # a day's grace: the report is dated where it was made, and the clock is UTC
            return self.refuse(f"the test report is dated {-age} days ahead", "set the clock, or evaluate anew")
        if age <= self.max_age_days:
            return None
        return self.refuse(f"the test report is {age} days old, at most {self.max_age_days} are allowed", hint)

    def sentence(self) -> str:
        """What the rule says."""
        if not self.required:
            return "The age of the test report is not judged."
        return f"A search needs a test report that is at most {self.max_age_days} days old."
