"""The calibration artifact: a threshold with what it was tested for, as a file that a watchlist loads.

It holds for one embedding contract, one subject rule, galleries up to one size, and one number of templates a subject.
The file carries a digest of its own content, so that an edited figure is noticed. That is no signature: it tells an
accident from an artifact, not a forger from an evaluator.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from facematch.errors import CalibrationInvalid, InvalidArgument
from facematch.matching.subjects import SubjectRule
from facematch.types import OperatingPoint

__all__ = ["Calibration"]

_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

_MAX_BYTES: Final = 1 << 20
"""An artifact has about a kilobyte."""

_MOST: Final = 10**12

_ROUNDING: Final = 0.01
"""Tolerance of the stated bound against the one that its counts give, as a share of it."""


class Calibration(BaseModel):
    """A threshold tested for a false-positive identification rate (FPIR).

    Attributes:
        schema_version: Version of this format.
        contract: Digest of the embedding contract.
        models: The models in words.
        rule: How a subject's score comes from its templates: ``max``, ``mean_template``, ``mean_top_3`` …
        gallery_size: Subjects in the tested gallery, ``N``.
        templates: Templates a subject, ``K``.
        people: Non-mated people searched, ``n``: one search each, none of them in the gallery.
        target_fpir: The FPIR asked for.
        threshold: Raw cosine; just above the ``(errors + 1)``-th highest top score.
        errors: Non-mated searches that returned a candidate at the threshold, ``k``.
        fpir_upper: One-sided upper confidence bound of the FPIR at the threshold; at most ``target_fpir``.
        confidence: Its level.
        data: The data in words.
        seed: Seed of the draw of gallery and pictures, so that it can be made again.
        data_digest: SHA-256 over the digests of the pictures, their people and the split.
        measured_at: ISO date.
        tool_version: Version of facematch that measured it.
        digest: SHA-256 over the RFC 8785 JSON of all the above.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    contract: _Sha256
    models: str = Field(min_length=1)
    rule: str
    gallery_size: int = Field(ge=1, le=_MOST)
    templates: int = Field(ge=1, le=_MOST)
    people: int = Field(ge=1, le=_MOST)
    target_fpir: float = Field(gt=0, lt=1)
    threshold: float = Field(ge=-1, le=1)
    errors: int = Field(ge=0, le=_MOST)
    fpir_upper: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0.5, lt=1)
    data: str = Field(min_length=1)
    seed: int = Field(ge=0)
    data_digest: _Sha256
    measured_at: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    tool_version: str
    digest: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        SubjectRule.parse(self.rule)
        if self.fpir_upper > self.target_fpir:
            raise ValueError(f"its bound {self.fpir_upper} is above its target {self.target_fpir}")
        if self.digest and self.digest != self.content_digest():
            raise ValueError("its digest does not fit its content: it was edited or damaged")
        if self.errors >= self.people:
            raise ValueError(f"{self.errors} errors of {self.people} people certify nothing")
        exact = _upper_bound(self.errors, self.people, self.confidence)
        if abs(exact - self.fpir_upper) > _ROUNDING * exact:
            raise ValueError(
                f"{self.errors} errors of {self.people} people give a bound of {exact:.3g}, not {self.fpir_upper:.3g}"
            )
        return self

    def content_digest(self) -> str:
        """SHA-256 (hex) over everything but ``digest``."""
        return hashlib.sha256(rfc8785.dumps(self.model_dump(exclude={"digest"}))).hexdigest()

    def sealed(self) -> Self:
        """The same artifact with its digest."""
        return self.model_copy(update={"digest": self.content_digest()})

    def operating_point(self) -> OperatingPoint:
        """The artifact as the operating point that searches apply."""
        return OperatingPoint(
            threshold=self.threshold,
            contract=self.contract,
            error_rate=self.target_fpir,
            error_kind="FPIR",
            measured_on=self.data,
            trials=self.people,
            measured_at=self.measured_at,
            rule=self.rule,
            gallery_size=self.gallery_size,
            templates=self.templates,
        )

    def planned_fpir(self, gallery_size: int) -> float:
        """FPIR expected at another gallery size, **for planning only**: nothing was tested there.

        ``1 - (1 - FPIR)^(N' / N)``, which is ``1 - (1 - FMR)^N'`` with the FMR that the tested bound implies if
        comparisons were independent. They are not; measure before you rely on it.

        Args:
            gallery_size: Subjects, at least 1.

        Raises:
            InvalidArgument: It is not positive.
        """
        if gallery_size < 1:
            raise InvalidArgument(f"a gallery has at least one subject, got {gallery_size}")
        return float(1 - (1 - self.fpir_upper) ** (gallery_size / self.gallery_size))

    def to_json(self) -> str:
        """The sealed artifact as indented JSON with a newline at its end."""
        return self.sealed().model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, origin: str = "the calibration") -> Self:
        """Read an artifact; it must carry its digest.

        Raises:
            CalibrationInvalid: It is malformed, inconsistent, edited, or has no digest.
        """
        try:
            calibration = cls.model_validate_json(text)
        except (ValidationError, InvalidArgument) as error:
            raise _invalid(origin, error) from error
        if not calibration.digest:
            raise CalibrationInvalid(f"{origin} has no digest", hint="make one with `facematch calibration make`")
        return calibration

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an artifact from a file.

        Raises:
            CalibrationInvalid: The file cannot be read, or as :meth:`from_json`.
        """
        try:
            with path.open("rb") as stream:
                data = stream.read(_MAX_BYTES + 1)
        except (OSError, ValueError) as error:  # ValueError: a path with a null byte
            raise CalibrationInvalid(f"{path} cannot be read: {error}", hint="check the path") from error
        if len(data) > _MAX_BYTES:
            raise CalibrationInvalid(f"{path} is no calibration artifact: it is far too large", hint="check the path")
        return cls.from_json(data, origin=str(path))

    def checked(self) -> Self:
        """The sealed artifact, validated once more: copies made past the validation are found here.

        Raises:
            CalibrationInvalid: It is inconsistent, or was changed after it was sealed.
        """
        try:
            return self.model_validate(self.model_dump(warnings=False)).sealed()
        except (ValidationError, InvalidArgument) as error:
            raise _invalid("the calibration", error) from error

    def to_dict(self) -> dict[str, Any]:
        """The sealed artifact as plain data."""
        return self.sealed().model_dump(mode="json")


def _upper_bound(errors: int, people: int, confidence: float) -> float:
    """The one-sided Clopper-Pearson bound, as the evaluation computes it."""
    from scipy.special import betaincinv  # takes a while to import

    return float(betaincinv(errors + 1, people - errors, confidence))


def _invalid(origin: str, error: ValidationError | InvalidArgument) -> CalibrationInvalid:
    reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.message
    return CalibrationInvalid(
        f"{origin} is no calibration artifact: {reason}", hint="make one with `facematch calibration make`"
    )
