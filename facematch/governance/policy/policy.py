"""A policy: the rules that a controller sets, composed of small objects, and refusing what it does not allow.

**An empty policy refuses everything.** Every rule is always there; what a document leaves out has the strictest value.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Self

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator

from facematch.errors import PolicyInvalid, PolicyRefused
from facematch.governance.consent.parts import Name, first_problem
from facematch.governance.policy.documents import format_of, parse, to_toml
from facematch.governance.policy.requests import (
    ActionRequest,
    AlertRequest,
    ApprovalRequest,
    DisclosureRequest,
    EnrollmentRequest,
    KeepRequest,
    PrecisionRequest,
    PruneRequest,
    QualityRequest,
    Request,
    ResumeRequest,
    RoleRequest,
    SearchRequest,
    ZoneRequest,
)
from facematch.governance.policy.rules import (
    Adults,
    CaptureBases,
    Categories,
    Corroboration,
    DualControl,
    GalleryLimit,
    Incident,
    LawfulBases,
    PeopleToResume,
    Precision,
    Purposes,
    Quality,
    Recipients,
    ReportAge,
    Retention,
    Reviewers,
    SeparateRoles,
    Sites,
    Sources,
    TargetFpir,
    Validity,
    Vulnerable,
    Zones,
)
from facematch.governance.policy.rules.base import Refusal, Rule

__all__ = ["PROFILES", "Policy", "RuleText"]

PROFILES: Final = ("access-control", "retail-watchlist")
"""The packaged profiles."""

_ASKED: Final[Mapping[type, str]] = {
    EnrollmentRequest: "the enrollment",
    ApprovalRequest: "the approval",
    QualityRequest: "the picture",
    ZoneRequest: "the zone",
    SearchRequest: "the search",
    AlertRequest: "the alert",
    ActionRequest: "the action",
    KeepRequest: "to keep the data",
    PruneRequest: "to prune the audit log",
    DisclosureRequest: "the disclosure",
    ResumeRequest: "to resume",
    RoleRequest: "the roles",
    PrecisionRequest: "to go on searching",
}


class RuleText(NamedTuple):
    """One rule in words.

    Attributes:
        rule: Its name.
        value: Its values in short.
        sentence: What it says.
    """

    rule: str
    value: str
    sentence: str


class Policy(BaseModel):
    """The rules in force for a watchlist.

    ``Policy()`` refuses everything. Start from :meth:`profile`, or load a document that was written from one.

    The rules of ``schema_version`` 1 are those below: a rule that comes later comes with a later version, so that the
    digest of a stored policy never changes.

    Attributes:
        schema_version: Version of this layout.
        title: Name of the policy, for people.
        lawful_bases: On which lawful bases somebody may be enrolled.
        purposes: For which purposes.
        sites: At which sites.
        zones: Whether searches have to name an open zone.
        categories: Why somebody may be on the list.
        incident: Whether the incident behind it has to be named.
        validity: How long a consent may last.
        adults: Only adults.
        vulnerable: No vulnerable people.
        sources: Where pictures may come from.
        quality: What quality they need.
        dual_control: Whether a second person approves enrollments.
        recipients: To whom data may go.
        capture_bases: On which bases zones may be opened.
        target_fpir: How often a search for a stranger may return somebody.
        gallery: How large the gallery may be.
        test_report: How old the test of the threshold may be.
        corroboration: How much has to speak for an alert.
        reviewers: How many people confirm it.
        precision: How often alerts have to be right.
        people_to_resume: How many people lift a suspension.
        retention: How long data is kept.
        separate_roles: Which roles one actor may not hold together.

    Raises:
        PolicyInvalid: A value is malformed, or there is no such rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    schema_version: Annotated[int, Field(strict=True, ge=1, le=1)] = 1
    title: Name = "untitled"
    lawful_bases: LawfulBases = LawfulBases()
    purposes: Purposes = Purposes()
    sites: Sites = Sites()
    zones: Zones = Zones()
    categories: Categories = Categories()
    incident: Incident = Incident()
    validity: Validity = Validity()
    adults: Adults = Adults()
    vulnerable: Vulnerable = Vulnerable()
    sources: Sources = Sources()
    quality: Quality = Quality()
    dual_control: DualControl = DualControl()
    recipients: Recipients = Recipients()
    capture_bases: CaptureBases = CaptureBases()
    target_fpir: TargetFpir = TargetFpir()
    gallery: GalleryLimit = GalleryLimit()
    test_report: ReportAge = ReportAge()
    corroboration: Corroboration = Corroboration()
    reviewers: Reviewers = Reviewers()
    precision: Precision = Precision()
    people_to_resume: PeopleToResume = PeopleToResume()
    retention: Retention = Retention()
    separate_roles: SeparateRoles = SeparateRoles()

    @model_validator(mode="wrap")
    @classmethod
    def _as_facematch_errors(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            where, message, hint = first_problem(error)
            known = ", ".join(cls.model_fields)
            raise PolicyInvalid(f"policy: {where or 'document'}: {message}", hint=hint or f"known: {known}") from None

    @classmethod
    def profile(cls, name: str) -> Self:
        """A packaged profile: ``"access-control"`` or ``"retail-watchlist"``.

        Raises:
            PolicyInvalid: There is no profile of that name.
        """
        if name not in PROFILES:
            raise PolicyInvalid(f"there is no profile {name!r}", hint=f"one of: {', '.join(PROFILES)}")
        text = files("facematch.governance.policy").joinpath("profiles", f"{name}.toml").read_text(encoding="utf-8")
        return cls.from_text(text, "toml")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """A policy from a file in TOML, YAML or JSON, by its suffix.

        Raises:
            PolicyInvalid: It cannot be read, or is no valid policy.
        """
        file = Path(path)
        kind = format_of(file)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise PolicyInvalid(
                f"the policy document {file.name!r} cannot be read: {type(error).__name__}",
                hint="check the path, its permissions, and that it is UTF-8",
            ) from error
        return cls.from_text(text, kind)

    @classmethod
    def from_text(cls, text: str, format: str) -> Self:  # noqa: A002 - the word for it
        """A policy from a document.

        Args:
            text: The document.
            format: ``"toml"``, ``"yaml"`` or ``"json"``.

        Raises:
            PolicyInvalid: It is no valid policy.
        """
        return cls.from_dict(parse(text, format))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """A policy from plain data, validated.

        Raises:
            PolicyInvalid: It is no valid policy.
        """
        return cls.model_validate(data)

    def to_dict(self) -> dict[str, Any]:
        """The whole policy as plain data, ready for JSON: all that is set, and every default that is not ``None``.

        Rules without values (``adults``, ``vulnerable``) are left out: nothing can be said about them.
        """
        data = self.model_dump(mode="json", exclude_none=True)
        return {name: value for name, value in data.items() if value != {}}

    def to_toml(self) -> str:
        """The policy as a TOML document."""
        return to_toml(self.to_dict())

    def canonical(self) -> bytes:
        """The policy as RFC 8785 canonical JSON."""
        return rfc8785.dumps(self.to_dict())

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of :meth:`canonical`."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order of the fields."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value for value in values if isinstance(value, Rule))

    def refusals(self, request: Request) -> tuple[Refusal, ...]:
        """Why each rule that refuses a request does; empty where the policy allows it.

        A request that no rule concerns is refused.
        """
        concerned = [rule for rule in self.rules if isinstance(request, rule.concerns)]
        if not concerned:
            return (
                Refusal(
                    "policy", f"no rule concerns a {type(request).__name__}", "ask with a request that a rule knows"
                ),
            )
        found = (rule.check(request) for rule in concerned)
        return tuple(refusal for refusal in found if refusal is not None)

    def check(self, request: Request) -> None:
        """Refuse what a rule refuses, with all reasons at once.

        Raises:
            PolicyRefused: A rule refuses; ``rule`` names the first, the message all of them.
        """
        refusals = self.refusals(request)
        if not refusals:
            return
        reasons = "; ".join(f"{refusal.rule}: {refusal.message}" for refusal in refusals)
        hints = list(dict.fromkeys(refusal.hint for refusal in refusals))
        asked = _ASKED.get(type(request), "the request")
        raise PolicyRefused(
            f"the policy {self.title!r} ({self.digest[:12]}) refuses {asked}: {reasons}",
            rule=refusals[0].rule,
            hint="; ".join(hints),
        )

    def check_enrollment(self, request: EnrollmentRequest) -> None:
        """Refuse an enrollment; see :meth:`check`.

        Raises:
            PolicyRefused: A rule refuses.
        """
        self.check(request)

    def check_search(self, request: SearchRequest) -> None:
        """Refuse a search; see :meth:`check`.

        Raises:
            PolicyRefused: A rule refuses.
        """
        self.check(request)

    def describe(self) -> list[RuleText]:
        """Every rule in words, for people."""
        return [RuleText(rule.name, rule.value, rule.sentence()) for rule in self.rules]
