"""Policies: the rules that a controller sets, composed of small objects.

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
from facematch.governance.policy.requests import EnrollmentRequest, Request, SearchRequest
from facematch.governance.policy.rules import alerts, enrollment, operations, scope, threshold
from facematch.governance.policy.rules.base import Refusal, Rule

__all__ = ["NOT_ENFORCED", "PROFILES", "Policy", "RuleText"]

PROFILES: Final = ("access-control", "retail-watchlist")
"""Names of the packaged profiles."""

NOT_ENFORCED: Final = "not enforced by this version"
"""Remark on a rule that a policy sets and this version does not apply."""


class RuleText(NamedTuple):
    """One rule in words.

    Attributes:
        rule: Its name.
        value: Its values in short.
        sentence: Statement of the rule.
        enforced: Whether this version enforces it.
    """

    rule: str
    value: str
    sentence: str
    enforced: bool


class Policy(BaseModel):
    """Policy of a watchlist.

    ``Policy()`` refuses everything. Start from :meth:`profile`, or load a document that was written from one.

    The rules of ``schema_version`` 1 are those below: a rule that comes later comes with a later version, so that the
    digest of a stored policy never changes.

    Attributes:
        schema_version: Version of this layout.
        title: Name of the policy, for people.
        lawful_bases: Lawful bases of enrollment.
        purposes: Purposes of consents and searches.
        sites: Sites of consents, searches and zones.
        zones: Whether searches have to name an open zone.
        categories: Categories of subjects.
        incident: Whether an enrollment has to name an incident.
        validity: Longest validity of a consent.
        adults: Attestation that subjects are adults.
        vulnerable: Exclusion of vulnerable people.
        sources: Sources of pictures.
        quality: Quality gate of enrollment.
        dual_control: Whether a second person approves enrollments.
        recipients: Recipients of data.
        capture_bases: Capture bases of zones.
        target_fpir: Highest tested FPIR of a threshold.
        gallery_limit: Largest gallery that a search may reach.
        report_age: Highest age of the threshold's test report.
        corroboration: Frames or cameras that an alert needs.
        reviewers: Reviewers who have to confirm an alert.
        precision: Lowest live precision of a site.
        unconfirmed_media: Retention period of the media of unconfirmed alerts.
        people_to_resume: People who have to lift a suspension.
        retention: Retention periods.
        separate_roles: Roles that one actor may not hold together.

    Raises:
        PolicyInvalid: A value is malformed, or there is no such rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    schema_version: Annotated[int, Field(strict=True, ge=1, le=1)] = 1
    title: Name = "untitled"
    lawful_bases: enrollment.LawfulBases = enrollment.LawfulBases()
    purposes: scope.Purposes = scope.Purposes()
    sites: scope.Sites = scope.Sites()
    zones: scope.Zones = scope.Zones()
    categories: enrollment.Categories = enrollment.Categories()
    incident: enrollment.Incident = enrollment.Incident()
    validity: enrollment.Validity = enrollment.Validity()
    adults: enrollment.Adults = enrollment.Adults()
    vulnerable: enrollment.Vulnerable = enrollment.Vulnerable()
    sources: enrollment.Sources = enrollment.Sources()
    quality: enrollment.Quality = enrollment.Quality()
    dual_control: enrollment.DualControl = enrollment.DualControl()
    recipients: scope.Recipients = scope.Recipients()
    capture_bases: scope.CaptureBases = scope.CaptureBases()
    target_fpir: threshold.TargetFpir = threshold.TargetFpir()
    gallery_limit: threshold.GalleryLimit = threshold.GalleryLimit()
    report_age: threshold.ReportAge = threshold.ReportAge()
    corroboration: alerts.Corroboration = alerts.Corroboration()
    reviewers: alerts.Reviewers = alerts.Reviewers()
    precision: alerts.Precision = alerts.Precision()
    unconfirmed_media: alerts.UnconfirmedMedia = alerts.UnconfirmedMedia()
    people_to_resume: operations.PeopleToResume = operations.PeopleToResume()
    retention: operations.Retention = operations.Retention()
    separate_roles: operations.SeparateRoles = operations.SeparateRoles()

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
        """Refusals of a request, one a rule; empty where the policy allows it.

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
        noun = getattr(request, "noun", "the request")
        raise PolicyRefused(
            f"the policy {self.title!r} ({self.digest[:12]}) refuses {noun}: {reasons}",
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
        """Every rule in words, with whether this version enforces it."""
        return [RuleText(rule.name, rule.value, rule.sentence(), bool(rule.enforced_by)) for rule in self.rules]
