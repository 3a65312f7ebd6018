"""The decision whether a searched passage raises an alert; one for recorded and for live video.

It takes a candidate, and the leave of the policy that ruled the search (rule ``corroboration``).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from facematch.protocols import FaceSearch
from facematch.types import Alert, Box, Identification, Probe

__all__ = ["AlertDecision", "AlertOrigin", "SearchedPassage", "decide_alert"]


class SearchedPassage(Protocol):
    """A passage whose fused template was searched, as an alert describes it."""

    @property
    def start_s(self) -> float:
        """First detection, in seconds from the first frame of the source."""
        ...

    @property
    def end_s(self) -> float:
        """Last detection, likewise."""
        ...

    @property
    def frames(self) -> int:
        """Number of frames in which the face was detected."""
        ...

    @property
    def shots(self) -> int:
        """Number of embeddings fused."""
        ...

    @property
    def best_frame_s(self) -> float:
        """Time of the best shot, in seconds from the first frame."""
        ...

    @property
    def best_box(self) -> Box:
        """Box of the face in that frame, ``xyxy`` in pixels."""
        ...


@dataclass(frozen=True, slots=True)
class AlertOrigin:
    """Camera or recording that alerts come from.

    Attributes:
        source: Its name, as it may be shown.
        started_at: Time of its first frame, UTC.
    """

    source: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class AlertDecision:
    """Outcome for one passage.

    Attributes:
        alert: The alert, or ``None``.
        refusal: Why the policy refuses one on a passage with a candidate, in words; ``None`` otherwise. It names no
            subject and no score.
    """

    alert: Alert | None = None
    refusal: str | None = None


def decide_alert(
    search: FaceSearch, passage: SearchedPassage, probe: Probe, answer: Identification, origin: AlertOrigin
) -> AlertDecision:
    """Decide whether a passage raises an alert.

    Args:
        search: Where the passage was searched; knows the policy.
        passage: The passage.
        probe: The passage's probe in the answer.
        answer: What the search answered.
        origin: The camera or recording.

    Returns:
        An alert where there is a candidate and the policy that ruled the search permits it.
    """
    if not probe.candidates:
        return AlertDecision()
    refusal = search.alert_refusal(frames=passage.frames, cameras=1, policy_version=answer.policy_version)
    if refusal is not None:
        return AlertDecision(refusal=refusal)
    return AlertDecision(
        Alert(
            alert_id=uuid.uuid4().hex,
            candidates=probe.candidates,
            started_at=origin.started_at + timedelta(seconds=passage.start_s),
            ended_at=origin.started_at + timedelta(seconds=passage.end_s),
            start_s=passage.start_s,
            end_s=passage.end_s,
            frames=passage.frames,
            shots=passage.shots,
            best_frame_s=passage.best_frame_s,
            best_box=passage.best_box,
            source=origin.source,
            purpose=answer.purpose,
            site=answer.site,
            threshold=answer.threshold,
            gallery_size=answer.gallery_size,
            generation=answer.generation,
            contract=answer.contract,
            zone=answer.zone,
            policy_version=answer.policy_version,
        )
    )
