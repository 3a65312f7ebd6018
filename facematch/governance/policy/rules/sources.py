"""Where the pictures of an enrollment may come from."""

from __future__ import annotations

from typing import Annotated, ClassVar

from facematch.governance.policy.requests import EnrollmentRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule, listing, names
from facematch.governance.terms import check_source

__all__ = ["Sources"]


class Sources(Rule):
    """The sources of pictures. ``scraped`` cannot even be listed.

    Attributes:
        allowed: Members of :data:`~facematch.governance.terms.SOURCES`; empty refuses all.
        required: Whether every enrollment has to say its source.
    """

    name: ClassVar[str] = "sources"
    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    allowed: Annotated[tuple[str, ...], names(check_source)] = ()
    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses a source that is not listed, and an unstated one where it is required."""
        if not isinstance(request, EnrollmentRequest):
            return None
        if request.source is None and not self.required:
            return None
        if request.source is not None and request.source in self.allowed:
            return None
        what = "the source of the pictures is not stated" if request.source is None else f"source {request.source!r}"
        verb = "" if request.source is None else " is not allowed"
        return self.refuse(f"{what}{verb}; allowed: {listing(self.allowed)}", "pass source= one of the allowed sources")

    def sentence(self) -> str:
        """What the rule says."""
        need = "must" if self.required else "may"
        return f"An enrollment {need} say where its pictures come from, one of: {listing(self.allowed)}."
