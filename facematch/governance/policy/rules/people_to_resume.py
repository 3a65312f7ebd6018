"""How many people it takes to lift a suspension."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from facematch.governance.names import same_name
from facematch.governance.policy.requests import ResumeRequest
from facematch.governance.policy.rules.base import Refusal, Rule, unset

__all__ = ["PeopleToResume"]


class PeopleToResume(Rule):
    """Anybody may suspend; starting again takes several people.

    Attributes:
        count: Distinct people, from 2: no policy lets one person do it. ``None`` refuses to resume.
    """

    name: ClassVar[str] = "people_to_resume"
    concerns: ClassVar[tuple[type, ...]] = (ResumeRequest,)

    count: Annotated[int, Field(strict=True, ge=2, le=10)] | None = None

    def check(self, request: object) -> Refusal | None:
        """Refuses to lift a suspension that too few people agreed to lift."""
        if not isinstance(request, ResumeRequest):
            return None
        if self.count is None:
            return unset(self, "a number of people")
        people: list[str] = []
        for person in request.people:
            if not any(same_name(person, other) for other in people):
                people.append(person)
        if len(people) >= self.count:
            return None
        return self.refuse(
            f"{len(people)} of {self.count} distinct people agreed to resume",
            "let another person agree",
        )

    def sentence(self) -> str:
        """What the rule says."""
        if self.count is None:
            return "A suspension cannot be lifted, because the policy sets no number of people."
        return f"Lifting a suspension takes {self.count} distinct people."
