"""Zones: areas of a site that cameras see, each with the capture basis for people who pass.

The consent of an enrolled subject says nothing about passers-by. So a zone opens only with a basis for the capture, the
notice that stands at its entrance, and an assessment of necessity and impact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ModelWrapValidatorHandler, ValidationError, model_validator

from facematch.errors import ZoneClosed
from facematch.governance.consent.parts import CONFIG, Name, Reference, Site, ZoneName, first_problem
from facematch.governance.terms import check_capture_basis
from facematch.types import PlainResult

__all__ = ["OpenZone", "Zone"]

_HINT = "a zone needs site, zone, capture_basis, notice_id and assessment_ref"


class Zone(BaseModel):
    """Zone that may be opened, where the policy allows its capture basis.

    Attributes:
        site: The site.
        zone: The area of it.
        capture_basis: On what a camera may take in passers-by, one of
            ``facematch.governance.terms.CAPTURE_BASES``.
        notice_id: Which notice stands at the entrance.
        assessment_ref: Reference of the assessment of necessity and impact.

    Raises:
        ZoneClosed: A field is missing or malformed, so the zone stays closed.
    """

    model_config = CONFIG

    site: Site
    zone: ZoneName
    capture_basis: Annotated[str, AfterValidator(check_capture_basis)]
    notice_id: Name
    assessment_ref: Reference

    @model_validator(mode="wrap")
    @classmethod
    def _as_facematch_errors(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            where, message, hint = first_problem(error)
            raise ZoneClosed(f"zone: {where or 'record'}: {message}", hint=hint or _HINT) from None

    @classmethod
    def from_dict(cls, data: object) -> Self:
        """A zone from plain data, validated.

        Raises:
            ZoneClosed: A field is missing or malformed.
        """
        return cls.model_validate(data)

    def to_dict(self) -> dict[str, str]:
        """The zone as plain data, ready for JSON."""
        return self.model_dump(mode="json")

    @property
    def key(self) -> tuple[str, str]:
        """Site and zone, as a search names them."""
        return self.site, self.zone


@dataclass(frozen=True, slots=True)
class OpenZone(PlainResult):
    """A camera zone that is open.

    Attributes:
        zone: What it is and on which grounds people who pass are searched.
        opened_at: Since when, UTC.
        opened_by: Who opened it.
    """

    zone: Zone
    opened_at: datetime
    opened_by: str
