"""Base class of policy rules: a frozen value with a name that may refuse a request."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from facematch.errors import PolicyInvalid
from facematch.governance.consent.parts import first_problem

__all__ = ["ANY", "Count", "Flag", "Refusal", "Rule", "Share", "allows", "listing", "names", "unset"]

ANY: Final = "*"
"""Wildcard: stands for any name in a list of names that permits it."""

_MOST: Final = 10**9
_HINT: Final = "see the packaged profiles for examples: Policy.profile('access-control').to_toml()"

Count = Annotated[int, Field(strict=True, ge=0, le=_MOST)]
"""Whole number from 0."""

Flag = Annotated[bool, Field(strict=True)]
"""``true`` or ``false``, nothing that could be read as one of them."""

Share = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]
"""Share in ``[0, 1]``."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Refusal of a request by one rule.

    Attributes:
        rule: Name of the rule.
        message: What was expected and what came.
        hint: The way out.
    """

    rule: str
    message: str
    hint: str

    def to_dict(self) -> dict[str, str]:
        """Refusal as plain data."""
        return {"rule": self.rule, "message": self.message, "hint": self.hint}


class Rule(BaseModel, ABC):
    """Policy rule. What a document does not say has the strictest value, which refuses.

    Raises:
        PolicyInvalid: A value is malformed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    name: ClassVar[str]
    """Name of the rule, and of its table in a policy document: that of the class in snake case."""

    concerns: ClassVar[tuple[type[Any], ...]]
    """Requests that it judges."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def enforced_by(self) -> tuple[str, ...]:
        """Modules that ask the rule, sorted; empty where this version does not enforce it.

        A rule of which only some requests are asked counts as not enforced.
        """
        places = [request.asked_by for request in self.concerns]
        return tuple(sorted({place for each in places for place in each})) if all(places) else ()

    @model_validator(mode="wrap")
    @classmethod
    def _as_facematch_errors(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            where, message, hint = first_problem(error)
            place = ".".join(part for part in (cls.name, where) if part)
            raise PolicyInvalid(f"policy: {place}: {message}", hint=hint or _HINT) from None

    @abstractmethod
    def check(self, request: object) -> Refusal | None:
        """Refusal of a request; ``None`` where it does not, or where the request is none of its concern."""

    @abstractmethod
    def sentence(self) -> str:
        """Statement of the rule in one sentence."""

    @property
    def value(self) -> str:
        """Values in short; ``not set`` where there are none."""
        said = self.model_dump(mode="json", exclude_none=True)
        return ", ".join(f"{name} = {_written(value)}" for name, value in said.items()) if said else "not set"

    def refuse(self, message: str, hint: str) -> Refusal:
        """Refusal in the name of this rule."""
        return Refusal(self.name, message, hint)


def unset(rule: Rule, what: str) -> Refusal:
    """Refusal by a rule whose value the policy does not set."""
    return rule.refuse(f"the policy does not set {what}", f"set it in [{rule.name}] of the policy")


def allows(allowed: tuple[str, ...], name: str) -> bool:
    """Whether a list of names holds a name, or any."""
    return ANY in allowed or name in allowed


def listing(names: tuple[str, ...] | frozenset[str] | set[str]) -> str:
    """List of names for a message: ``any``, ``none``, or the names."""
    if ANY in names:
        return "any"
    return ", ".join(sorted(names)) if names else "none"


def names(check: Callable[[object], str], *, wildcard: bool = False) -> AfterValidator:
    """Validator of a list of names: each checked, none twice, sorted, so that order never changes a digest.

    Args:
        check: Checks one name.
        wildcard: Whether ``"*"`` may stand alone for any name.
    """

    def checked(values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError("names must not repeat")
        if wildcard and ANY in values:
            if len(values) > 1:
                raise ValueError('"*" stands alone: it already means any name')
            return values
        return tuple(sorted(check(value) for value in values))

    return AfterValidator(checked)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(_written(item) for item in value) + "]"
    return str(value)
