"""Why somebody may be on the list."""

from __future__ import annotations

from typing import Annotated, ClassVar

from facematch.governance.policy.requests import EnrollmentRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule, allows, listing, names
from facematch.governance.terms import check_category

__all__ = ["Categories"]


class Categories(Rule):
    """The categories of subjects. Demographic ones cannot even be listed.

    Attributes:
        allowed: Kebab names, or ``"*"`` for any; empty refuses all.
        required: Whether every enrollment needs a category.
    """

    name: ClassVar[str] = "categories"
    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    allowed: Annotated[tuple[str, ...], names(check_category, wildcard=True)] = ()
    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses a category that is not listed, and a missing one where it is required."""
        if not isinstance(request, EnrollmentRequest):
            return None
        if request.category is None:
            if not self.required:
                return None
            return self.refuse(
                f"the enrollment names no category; allowed: {listing(self.allowed)}",
                "pass category= one of the allowed categories",
            )
        if allows(self.allowed, request.category):
            return None
        return self.refuse(
            f"the category {request.category!r} is not allowed; allowed: {listing(self.allowed)}",
            "name an allowed category, or add this one to [categories]",
        )

    def sentence(self) -> str:
        """What the rule says."""
        need = "Every enrollment needs" if self.required else "An enrollment may name"
        return f"{need} one of these categories: {listing(self.allowed)}."
