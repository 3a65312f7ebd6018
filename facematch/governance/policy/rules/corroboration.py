"""How much has to speak for an alert before it is raised."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from facematch.governance.policy.requests import AlertRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule, unset

__all__ = ["Corroboration"]


class Corroboration(Rule):
    """One look is not enough: several frames, or two cameras.

    Attributes:
        frames: Frames of one passage that have to reach the threshold, from 1; ``None`` refuses every alert.
        two_cameras: Whether two cameras do instead.
    """

    name: ClassVar[str] = "corroboration"
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
        """What the rule says."""
        if self.frames is None:
            return "No alert is raised, because the policy sets no number of frames."
        cameras = ", or two cameras," if self.two_cameras else ""
        return f"An alert needs {self.frames} or more frames{cameras} of one passage that reach the threshold."
