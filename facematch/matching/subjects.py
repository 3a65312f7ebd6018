"""From template scores to a subject's score, in bulk: the rules that can be measured and calibrated.

A subject with several templates needs one score. Which rule is best is a question for measurement: each rule moves
mated and non-mated scores, so a threshold holds for one rule and one number of templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.types import FloatArray

__all__ = ["MAX", "MEAN_TEMPLATE", "SubjectGallery", "SubjectRule"]

_BLOCK_BYTES: Final = 64 << 20
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class SubjectRule:
    """Rule by which a subject's score comes from its templates.

    Attributes:
        kind: ``"max"`` (the best template), ``"mean_template"`` (the normalized mean of the templates, compared once)
            or ``"mean_top"`` (the mean of the ``top`` best scores, of fewer where a subject has fewer templates).
        top: How many scores ``"mean_top"`` averages, at least 1; 1 for the others.

    Raises:
        InvalidArgument: There is no such rule.
    """

    kind: Literal["max", "mean_template", "mean_top"] = "max"
    top: int = 1

    def __post_init__(self) -> None:
        if self.kind not in {"max", "mean_template", "mean_top"} or self.top < 1:
            raise InvalidArgument(
                f"there is no subject rule {self.kind!r} with {self.top} scores",
                hint="max, mean_template or mean_top with one score or more",
            )
        if self.kind != "mean_top" and self.top != 1:
            raise InvalidArgument(f"only mean_top averages several scores, got {self.kind!r} with {self.top}")

    @classmethod
    def parse(cls, name: str) -> Self:
        """The rule of a name as :meth:`__str__` gives it: ``max``, ``mean_template``, ``mean_top_3``.

        Raises:
            InvalidArgument: There is no such rule.
        """
        head, _, count = name.rpartition("_")
        if head == "mean_top" and count.isdecimal() and len(count) <= _DIGITS:
            return cls("mean_top", int(count))
        if name == "max":
            return cls("max")
        if name == "mean_template":
            return cls("mean_template")
        raise InvalidArgument(
            f"there is no subject rule {name[:40]!r}", hint="max, mean_template or mean_top_2, mean_top_3 …"
        )

    def __str__(self) -> str:
        return f"mean_top_{self.top}" if self.kind == "mean_top" else self.kind


MAX: Final = SubjectRule()
MEAN_TEMPLATE: Final = SubjectRule("mean_template")


class SubjectGallery:
    """Templates grouped by subject, ready to score blocks of probes.

    Args:
        templates: ``(T, D)`` ``float32`` unit vectors.
        subjects: ``(T,)``, the subject of each template as any integer, in any order.
        rule: How a subject's score comes from its templates' scores.

    Attributes:
        subjects: ``(S,)`` the subjects in ascending order: the columns of :meth:`scores`.
        sizes: ``(S,)`` how many templates each has.

    Raises:
        InvalidArgument: The arrays do not fit, or there is no template.
    """

    def __init__(self, templates: FloatArray, subjects: NDArray[np.integer], rule: SubjectRule = MAX) -> None:
        if templates.ndim != 2 or subjects.shape != (len(templates),) or len(templates) == 0:
            raise InvalidArgument(
                f"templates (T, D) and subjects (T,), T >= 1, are expected, got {templates.shape} and {subjects.shape}"
            )
        order = np.argsort(subjects, kind="stable")
        self.subjects, first, self.sizes = np.unique(subjects[order], return_index=True, return_counts=True)
        self.rule = rule
        self._first: NDArray[np.int64] = first.astype(np.int64)
        self._rows = np.ascontiguousarray(templates[order], dtype=np.float32)
        if rule.kind == "mean_template":
            self._rows = _normalized(np.add.reduceat(self._rows, self._first, axis=0))

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def block(self) -> int:
        """Number of probes to score at once so that a block of template scores stays near 64 MiB."""
        return max(1, _BLOCK_BYTES // (4 * len(self._rows)))

    def columns(self, subjects: NDArray[np.integer]) -> NDArray[np.int64]:
        """The column of each subject ``(P,)``, -1 for those who are not in the gallery."""
        at = np.minimum(np.searchsorted(self.subjects, subjects), len(self.subjects) - 1)
        return np.where(self.subjects[at] == subjects, at, -1).astype(np.int64)

    def scores(self, probes: FloatArray) -> FloatArray:
        """Each subject's score for each probe.

        Args:
            probes: ``(P, D)`` ``float32`` unit vectors; mind :attr:`block`.

        Returns:
            ``(P, S)`` raw cosines, or means of them; column ``j`` is ``subjects[j]``.
        """
        scores: FloatArray = np.asarray(probes, dtype=np.float32) @ self._rows.T
        if self.rule.kind == "mean_template" or len(self._rows) == len(self.subjects):
            return scores
        if self.rule.kind == "max" or self.rule.top == 1:
            best: FloatArray = np.maximum.reduceat(scores, self._first, axis=1)
            return best
        out = np.empty((len(scores), len(self.subjects)), dtype=np.float32)
        for size in np.unique(self.sizes):
            (columns,) = np.nonzero(self.sizes == size)
            own = scores[:, self._first[columns, None] + np.arange(size)]  # (P, subjects of this size, size)
            top = min(self.rule.top, int(size))
            out[:, columns] = np.partition(own, size - top, axis=2)[:, :, size - top :].mean(axis=2)
        return out


def _normalized(vectors: FloatArray) -> FloatArray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit
