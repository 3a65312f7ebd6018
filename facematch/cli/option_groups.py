"""Groups of options that many commands share: a dataclass whose fields are options stands for them in a signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, get_type_hints

import typer

__all__ = ["Commands"]

C = TypeVar("C", bound=Callable[..., Any])


class Commands(typer.Typer):
    """A Typer application whose commands may have groups of options among their parameters."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[C], C]:
        """As :meth:`typer.Typer.command`; a parameter that is a dataclass stands for the options of its fields."""
        register = super().command(name, **settings)

        def decorate(command: C) -> C:
            register(_grouped(command))
            return command

        return decorate


def _grouped(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command whose parameters of dataclass types are replaced by options, one for each field.

    Args:
        command: The command; fields of its groups are annotated as Typer wants options annotated, with defaults.

    Returns:
        The command as Typer is to see it; called, it puts the groups together and calls ``command``.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if isinstance(kind, type) and is_dataclass(kind):
            groups[name] = kind
            parameters += _options(kind)
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def run(**given: Any) -> Any:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)}) for name, kind in groups.items()
        }
        return command(**given, **made)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _options(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
