"""How many people have to confirm an alert before anybody acts on it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from facematch.governance.names import same_name
from facematch.governance.policy.requests import ActionRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule, unset

__all__ = ["Reviewers"]


class Reviewers(Rule):
    """People decide about alerts, one by one.

    Attributes:
        count: Distinct reviewers who have to confirm, from 1; ``None`` refuses every action.
        blind: Whether a later reviewer sees neither the earlier verdicts nor the score.
    """

    name: ClassVar[str] = "reviewers"
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
        """What the rule says."""
        if self.count is None:
            return "No action is recorded, because the policy sets no number of reviewers."
        if self.count == 1:
            return "An action may follow only after a reviewer confirmed; one rejection ends it."
        blind = ", each without seeing verdicts or scores" if self.blind else ""
        return (
            f"An action may follow only after {self.count} distinct reviewers confirmed{blind}; one rejection ends it."
        )


def _distinct(people: tuple[str, ...]) -> int:
    found: list[str] = []
    for person in people:
        if not any(same_name(person, other) for other in found):
            found.append(person)
    return len(found)
