"""Statements of the controller: facts that no configuration holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from facematch.errors import InvalidArgument
from facematch.governance.names import check_text

__all__ = ["Statements"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """Statements that a controller adds to a report; what is left out is shown as not stated. Kept nowhere.

    Attributes:
        controller: Name of the controller; default what the consent records say.
        contact: Where the controller can be reached; default likewise.
        joint_controllers: Others who decide together with the controller, or that there are none.
        representative: The controller's representative, or that there is none.
        data_protection_officer: Name and contact of the data protection officer, or that there is none.
        processors: Who processes on the controller's behalf, or that there are none.
        transfers: Transfers to third countries or international organizations and their safeguards, or that there are
            none.
        organizational_measures: Training, access to rooms, procedures: measures outside this software.
        context: The relationship to the people concerned, what they expect, children or vulnerable people among them.
        necessity: Why the purpose needs face recognition.
        alternatives: Less intrusive means that were considered, and why they do not do.
        proportionality: Why the benefit outweighs the intrusion on those who are searched.
        consultation: Who was consulted: people concerned or their representatives, the data protection officer.
        consequences: What a wrong candidate and a missed one can mean for the people concerned.
        misses: How often an enrolled person is missed (FNIR), and how that was measured.
        differences: Error rates by group and what follows from them.
        supervisory_authority: Where people can complain.
        rights_contact: Where people can exercise their rights.
        review: When the assessment is reviewed.

    Raises:
        InvalidArgument: A statement says nothing, or is longer than 2000 characters.
    """

    controller: str | None = None
    contact: str | None = None
    joint_controllers: str | None = None
    representative: str | None = None
    data_protection_officer: str | None = None
    processors: str | None = None
    transfers: str | None = None
    organizational_measures: str | None = None
    context: str | None = None
    necessity: str | None = None
    alternatives: str | None = None
    proportionality: str | None = None
    consultation: str | None = None
    consequences: str | None = None
    misses: str | None = None
    differences: str | None = None
    supervisory_authority: str | None = None
    rights_contact: str | None = None
    review: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                check_text(value, field.name)

    @classmethod
    def from_dict(cls, data: Mapping[str, str]) -> Self:
        """Statements from plain data, such as a TOML table.

        Raises:
            InvalidArgument: There is no such statement, or it is malformed.
        """
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(data) - set(known))
        if unknown:
            raise InvalidArgument(f"there is no statement {unknown[0]!r}", hint=f"one of: {', '.join(known)}")
        return cls(**data)
