"""Decision rules: threshold and subject rule of a search, and what must be noted about the gallery in scope."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from facematch.errors import ContractMismatch
from facematch.gallery.snapshot import Scope
from facematch.matching import Calibration, SubjectRule, effective_threshold
from facematch.types import EmbeddingContract, OperatingPoint

__all__ = ["DecisionRule", "DecisionSettings", "check_calibration"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """Threshold and subject rule of one search.

    Attributes:
        threshold: Raw cosine.
        rule: How a subject's score comes from its templates.
        point: The tested operating point below the threshold, or ``None`` where the caller's own value rules.
    """

    threshold: float
    rule: SubjectRule
    point: OperatingPoint | None

    def notes(self, scope: Scope) -> tuple[str, ...]:
        """Notes on a gallery in scope that is larger than tested, in words; the policy says whether that is refused."""
        found = []
        if self.point is not None and self.point.gallery_size is not None and scope.subjects > self.point.gallery_size:
            found.append(
                f"{scope.subjects} subjects are in scope; the threshold was tested with up to {self.point.gallery_size}"
            )
        if self.point is not None and self.point.templates is not None and scope.most_templates > self.point.templates:
            found.append(
                f"a subject has {scope.most_templates} templates; the threshold was tested with {self.point.templates}"
            )
        # a mean of fewer scores spreads wider, so more strangers reach a threshold tested on means of more; the best
        # score and the mean template err the other way or hardly at all
        averaged = self.rule.kind == "mean_top" and self.rule.top > 1 and scope.subjects > 0
        if averaged and self.point is not None and scope.fewest_templates < (self.point.templates or 0):
            found.append(
                f"a subject has only {scope.fewest_templates} of the {self.point.templates} templates that the "
                f"threshold was tested with, and {self.rule} averages over fewer"
            )
        for note in found:
            logger.warning("gallery outgrew its calibration: %s", note)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """Inputs of a search's threshold and rule.

    Attributes:
        contract: The contract of the vectors that are compared.
        packed: The tested operating point of the pack, which rules where no calibration was set.
        floor: The watchlist's own threshold for every search, or ``None``.
        requested: The caller's threshold for this search, or ``None``.
    """

    contract: EmbeddingContract
    packed: OperatingPoint | None
    floor: float | None
    requested: float | None

    def rule(self, calibration: Calibration | None) -> DecisionRule:
        """The decision rule under a calibration.

        Raises:
            ContractMismatch: The calibration or the pack's threshold belongs to another contract.
            ThresholdTooLow: A value is below the one it may only raise.
            ThresholdRequired: Nothing was tested and the caller gave no threshold.
        """
        point = self.packed if calibration is None else calibration.operating_point()
        threshold = effective_threshold(point, self.contract.digest, self.requested, default=self.floor)
        return DecisionRule(threshold, SubjectRule.parse("max" if point is None else point.rule), point)


def check_calibration(calibration: Calibration, contract: EmbeddingContract | None) -> None:
    """Refuse a calibration of another contract than the enrolled templates'.

    Raises:
        ContractMismatch: It is.
    """
    if contract is not None and contract.digest != calibration.contract:
        raise ContractMismatch(
            f"the calibration belongs to the embedding contract {calibration.contract[:12]}…, "
            f"the templates to {contract.digest[:12]}…",
            hint="calibrate with the pack that the subjects were enrolled with",
        )
