"""To whom data may go."""

from __future__ import annotations

from typing import Annotated, ClassVar

from facematch.governance.names import check_name
from facematch.governance.policy.requests import DisclosureRequest, EnrollmentRequest
from facematch.governance.policy.rules.base import Refusal, Rule, allows, listing, names

__all__ = ["Recipients"]


def _recipient(value: object) -> str:
    return check_name(value, "a recipient")


class Recipients(Rule):
    """The recipients of data: the policy has to allow them, and the subject's consent has to name them.

    Attributes:
        allowed: Names, or ``"*"`` for any that the consent names; empty allows nobody.
    """

    name: ClassVar[str] = "recipients"
    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest, DisclosureRequest)

    allowed: Annotated[tuple[str, ...], names(_recipient, wildcard=True)] = ()

    def check(self, request: object) -> Refusal | None:
        """Refuses a consent that names, or a disclosure to, a recipient that is not allowed or not consented to."""
        if isinstance(request, EnrollmentRequest):
            asked = request.consent.recipients
        elif isinstance(request, DisclosureRequest):
            asked = (request.recipient,)
        else:
            return None
        beyond = [recipient for recipient in asked if not allows(self.allowed, recipient)]
        if beyond:
            return self.refuse(
                f"the recipient {beyond[0]!r} is not allowed; allowed: {listing(self.allowed)}",
                "leave the recipient out, or add it to [recipients]",
            )
        if isinstance(request, DisclosureRequest) and request.recipient not in request.consent.recipients:
            return self.refuse(
                f"the consent does not name the recipient {request.recipient!r}; "
                f"it names: {listing(request.consent.recipients)}",
                "share nothing, or let the subject give a consent that names the recipient",
            )
        return None

    def sentence(self) -> str:
        """What the rule says."""
        return f"Data may go to these recipients, where the consent names them too: {listing(self.allowed)}."
