"""How large a gallery may be."""

from __future__ import annotations

from typing import ClassVar, Literal

from facematch.governance.policy.requests import SearchRequest
from facematch.governance.policy.rules.base import Count, Refusal, Rule

__all__ = ["GalleryLimit"]


class GalleryLimit(Rule):
    """The gallery that a search may reach.

    Attributes:
        max_subjects: The most subjects in scope; 0 refuses every gallery that is not empty.
        outgrown: What happens where more subjects, or more templates a subject, are in scope than the threshold was
            tested with: ``refuse``, or ``warn``, which is said in the answer and is no refusal here.
    """

    name: ClassVar[str] = "gallery"
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
        """What the rule says."""
        then = "refused" if self.outgrown == "refuse" else "answered with a warning"
        return (
            f"A search reaches at most {self.max_subjects} subjects; one over more than the threshold was tested with "
            f"is {then}."
        )
