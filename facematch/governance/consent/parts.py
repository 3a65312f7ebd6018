"""The parts of a consent record."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from facematch.errors import FacematchError
from facematch.governance.consent.states import ConsentState
from facematch.governance.names import (
    check_name,
    check_purpose,
    check_site,
    check_subject_id,
    check_text,
    check_zone,
)
from facematch.governance.time import to_utc

__all__ = [
    "Actor",
    "ConsentEvent",
    "Controller",
    "Name",
    "PrivacyNotice",
    "Problem",
    "Purpose",
    "Reference",
    "Sha256",
    "Site",
    "SubjectId",
    "UtcTime",
    "ZoneName",
    "first_problem",
]


def _parsed_time(value: Any) -> Any:
    if isinstance(value, str):
        return to_utc(datetime.fromisoformat(value), "a time in a consent record")
    return to_utc(value, "a time in a consent record")


def _written_time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


UtcTime = Annotated[datetime, BeforeValidator(_parsed_time), PlainSerializer(_written_time, return_type=str)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SubjectId = Annotated[str, AfterValidator(check_subject_id)]
Purpose = Annotated[str, AfterValidator(check_purpose)]
Site = Annotated[str, AfterValidator(check_site)]
ZoneName = Annotated[str, AfterValidator(check_zone)]
Name = Annotated[str, AfterValidator(lambda value: check_name(value, "a name in a consent record"))]
Actor = Annotated[str, AfterValidator(lambda value: check_name(value, "actor"))]
Reference = Annotated[str, AfterValidator(lambda value: check_text(value, "a reference"))]

CONFIG = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Problem(NamedTuple):
    """Validation failure of a model's data.

    Attributes:
        where: The field, with dots between nested names; empty for the whole.
        message: What was expected and what came. Values appear only where a shared check repeats them.
        hint: What to do, where the check that failed said so.
    """

    where: str
    message: str
    hint: str | None


def first_problem(error: ValidationError) -> Problem:
    """First validation failure, in the words of the check that found it."""
    found = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in found["loc"])
    raised = found.get("ctx", {}).get("error")
    if isinstance(raised, FacematchError):
        return Problem(where, raised.message, raised.hint)
    return Problem(where, found["msg"].removeprefix("Value error, "), None)


class PrivacyNotice(BaseModel):
    """Privacy notice that the subject was shown.

    Attributes:
        uri: Where it can be found; for a local file its name.
        sha256: SHA-256 (hex) of its bytes.
    """

    model_config = CONFIG

    uri: str = Field(min_length=1, max_length=2000)
    sha256: Sha256


class Controller(BaseModel):
    """Controller of the processing.

    Attributes:
        name: Name of the organization or person.
        contact: Where the subject can reach them.
    """

    model_config = CONFIG

    name: Name = "not stated"
    contact: Name = "not stated"


class ConsentEvent(BaseModel):
    """Event of a consent record.

    Attributes:
        time: When it happened, UTC.
        actor: Who recorded it.
        state: The state from then on.
        valid_until: When the consent ends, UTC; given with GIVEN and RENEWED, ``None`` otherwise.
        reason: Why, where a reason was given.
        evidence_sha256: SHA-256 (hex) of the evidence of this step, such as the form of a renewal. Left out of the
            record's plain form where absent.
    """

    model_config = CONFIG

    time: UtcTime
    actor: Actor
    state: ConsentState
    valid_until: UtcTime | None = None
    reason: str | None = Field(default=None, max_length=2000)
    evidence_sha256: Sha256 | None = None
