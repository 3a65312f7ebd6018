"""Rules of the threshold: tested FPIR, size of the gallery, age of the test report."""

from __future__ import annotations

from typing import ClassVar, Literal

from facematch.governance.policy.requests import SearchRequest
from facematch.governance.policy.rules.base import Count, Flag, Refusal, Rule, Share

__all__ = ["GalleryLimit", "ReportAge", "TargetFpir"]


class TargetFpir(Rule):
    """Highest false-positive identification rate (FPIR) that the threshold may be tested for.

    Attributes:
        maximum: The highest target, a share from 0 to 1; 0 refuses every calibration.
        required: Whether a search needs a tested threshold.
    """

    concerns: ClassVar[tuple[type, ...]] = (SearchRequest,)

    maximum: Share = 0.0
    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses a search whose threshold was tested for a higher rate or, where that is required, not at all."""
        if not isinstance(request, SearchRequest):
            return None
        hint = "calibrate for this gallery and set it with Watchlist.set_calibration()"
        if request.calibration is None:
            return self.refuse("the threshold was never tested for an FPIR", hint) if self.required else None
        if request.calibration.target_fpir <= self.maximum:
            return None
        return self.refuse(
            f"the threshold was tested for an FPIR of {request.calibration.target_fpir:g}, "
            f"at most {self.maximum:g} is allowed",
            hint,
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        need = "must" if self.required else "need not"
        return f"A threshold {need} be tested; where it is, for an FPIR of at most {self.maximum:g}."


class GalleryLimit(Rule):
    """Largest gallery that a search may reach.

    Attributes:
        max_subjects: The most subjects in scope; 0 refuses every gallery that is not empty.
        outgrown: What happens where more subjects, or more templates a subject, are in scope than the threshold was
            tested with: ``refuse``, or ``warn``, which is said in the answer and is no refusal here.
    """

    concerns: ClassVar[tuple[type, ...]] = (SearchRequest,)

    max_subjects: Count = 0
    outgrown: Literal["refuse", "warn"] = "refuse"

    def check(self, request: object) -> Refusal | None:
        """Refuses a search over more subjects than allowed, or than tested."""
        if not isinstance(request, SearchRequest):
            return None
        if request.gallery_subjects > self.max_subjects:
            return self.refuse(
                f"{request.gallery_subjects} subjects are in scope, at most {self.max_subjects} are allowed",
                "narrow purpose and site, or erase references that are no longer needed",
            )
        if self.outgrown == "warn" or request.calibration is None:
            return None
        subjects, templates = request.calibration.gallery_size, request.calibration.templates
        if subjects is not None and request.gallery_subjects > subjects:
            return self._outgrown(f"{request.gallery_subjects} subjects are in scope", subjects)
        if templates is not None and request.most_templates > templates:
            return self._outgrown(f"a subject has {request.most_templates} templates", templates)
        return None

    def _outgrown(self, found: str, tested: int) -> Refusal:
        return self.refuse(
            f"{found}, the threshold was tested with {tested}",
            "calibrate for this gallery size and set it with Watchlist.set_calibration()",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        then = "refused" if self.outgrown == "refuse" else "answered with a warning"
        return (
            f"A search reaches at most {self.max_subjects} subjects; one over more than the threshold was tested with "
            f"is {then}."
        )


class ReportAge(Rule):
    """Age of the test report of the threshold.

    Attributes:
        required: Whether a search needs a report that is young enough. Where not, its age is not judged.
        max_days: Days; 0 accepts only a report of the same day.
    """

    concerns: ClassVar[tuple[type, ...]] = (SearchRequest,)

    required: Flag = True
    max_days: Count = 0

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
        if age <= self.max_days:
            return None
        return self.refuse(f"the test report is {age} days old, at most {self.max_days} are allowed", hint)

    def sentence(self) -> str:
        """Statement of the rule."""
        if not self.required:
            return "The age of the test report is not judged."
        return f"A search needs a test report that is at most {self.max_days} days old."
