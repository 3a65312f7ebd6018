"""The decision threshold: tested, bound to one embedding contract, and never lowered by a caller."""

from __future__ import annotations

import math
from numbers import Real

from facematch.errors import ContractMismatch, InvalidArgument, ThresholdRequired, ThresholdTooLow
from facematch.types import OperatingPoint

__all__ = ["check_threshold", "effective_threshold"]


def check_threshold(value: object) -> float:
    """A threshold as ``float``.

    Raises:
        InvalidArgument: It is no finite number in ``[-1, 1]``.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidArgument(
            f"a threshold must be a number, got {type(value).__name__}", hint="pass a raw cosine such as 0.4"
        )
    number = float(value)
    if not math.isfinite(number) or not -1.0 <= number <= 1.0:
        raise InvalidArgument(
            f"a threshold is a raw cosine in [-1, 1], got {number}", hint="scores are cosines, not percentages"
        )
    return number


def effective_threshold(
    operating_point: OperatingPoint | None,
    contract: str,
    requested: float | None = None,
    *,
    default: float | None = None,
) -> float:
    """The threshold that a search applies.

    The tested operating point is the floor. A watchlist may raise it for all searches (``default``), and a search may
    raise it further (``requested``); neither may go below what stands under it.

    Args:
        operating_point: The pack's tested threshold, or ``None`` where the pack has none.
        contract: Digest of the embedding contract of the vectors that are compared.
        requested: The caller's own threshold for this search, a raw cosine.
        default: The watchlist's threshold for every search, a raw cosine.

    Returns:
        A raw cosine in ``[-1, 1]``.

    Raises:
        ContractMismatch: The operating point was measured with another embedding contract.
        ThresholdTooLow: A value is below the one it may only raise.
        ThresholdRequired: There is no tested threshold and the caller gave none.
        InvalidArgument: A value is no finite number in ``[-1, 1]``.
    """
    values = [check_threshold(value) for value in (default, requested) if value is not None]
    if operating_point is not None:
        if operating_point.contract != contract:
            raise ContractMismatch(
                f"the tested threshold belongs to the embedding contract {operating_point.contract[:12]}…, "
                f"the templates to {contract[:12]}…",
                hint="use the pack that the threshold was tested with, or calibrate one for this pack",
            )
        values.insert(0, operating_point.threshold)
    if not values:
        raise ThresholdRequired(
            "the pack has no tested threshold and none was given",
            hint="calibrate a threshold for this pack, or pass threshold= with a value that you have tested",
        )
    floor = values[0]
    for value in values[1:]:
        if value < floor:
            raise ThresholdTooLow(
                f"a threshold may be raised above {floor:.6g}, never lowered; got {value:.6g}",
                hint="leave threshold= out, or calibrate again if the tested threshold does not fit",
            )
        floor = value
    return floor
