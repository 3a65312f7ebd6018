"""The root of the error tree, and the errors of every layer."""

from __future__ import annotations

from typing import ClassVar


class FacematchError(Exception):
    """Root of every error that facematch raises on purpose.

    Attributes:
        code: Stable, machine-readable name of the error; it does not change between releases.
        message: What was expected and what came instead.
        hint: What to do about it, or ``None`` where nothing sensible can be said.
    """

    code: ClassVar[str] = "facematch_error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} ({self.hint})"

    def to_dict(self) -> dict[str, str | None]:
        """The error as plain data: ``code``, ``message`` and ``hint``."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class InvalidArgument(FacematchError, ValueError):
    """A parameter has the wrong type, shape or range."""

    code = "invalid_argument"


class MissingExtra(FacematchError, ImportError):
    """An optional dependency is not installed."""

    code = "missing_extra"
