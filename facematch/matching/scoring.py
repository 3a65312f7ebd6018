"""From template scores to subjects: a subject's score is that of its best template.

Ties are settled by the smaller template id, so the same gallery and probe always give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facematch.types import FloatArray

__all__ = ["best_subjects", "places_for", "ranked_subjects"]


def places_for(top_k: int, most_templates: int, available: int) -> int:
    """Number of template places that a search must return so that ``top_k`` subjects are certain to be among them.

    With at most ``m`` templates a subject, the first ``(top_k - 1) * m + 1`` places hold at least ``top_k`` subjects.

    Args:
        top_k: Subjects wanted, at least 1.
        most_templates: The largest number of templates that one subject has in the search.
        available: Number of templates in the search.
    """
    return max(1, min(available, (top_k - 1) * most_templates + 1))


def best_subjects(
    scores: FloatArray,
    template_ids: NDArray[np.int64],
    subjects: Sequence[int] | NDArray[np.int64],
    *,
    top_k: int,
    threshold: float,
) -> list[tuple[int, float, int]]:
    """The best subjects of one probe.

    Args:
        scores: ``(K,)`` template scores, highest first, ties by smaller template id; ``-inf`` marks empty places.
        template_ids: ``(K,)`` their template ids.
        subjects: ``(K,)`` their subjects, as any integer key; ignored at empty places.
        top_k: Subjects wanted, at least 1.
        threshold: Lowest score that counts, a raw cosine.

    Returns:
        Up to ``top_k`` tuples ``(subject, score, template_id)``, highest score first, each subject once. Scores are
        clipped to ``[-1, 1]``, which rounding may leave by a few ulps.
    """
    found: list[tuple[int, float, int]] = []
    seen: set[int] = set()
    for score, template_id, subject in zip(scores.tolist(), template_ids.tolist(), subjects, strict=True):
        key, clipped = int(subject), min(max(score, -1.0), 1.0)
        if len(found) == top_k or template_id < 0 or clipped < threshold:
            break
        if key not in seen:
            seen.add(key)
            found.append((key, clipped, template_id))
    return found


def ranked_subjects(scores: FloatArray, *, top_k: int, threshold: float) -> list[tuple[int, float]]:
    """The best subjects of one probe whose subjects have one score each.

    Args:
        scores: ``(S,)`` one score a subject.
        top_k: Subjects wanted, at least 1.
        threshold: Lowest score that counts.

    Returns:
        Up to ``top_k`` tuples ``(column, score)``, highest score first, ties by smaller column, scores clipped to
        ``[-1, 1]``.
    """
    clipped = np.clip(scores.astype(np.float64), -1.0, 1.0)
    (reaching,) = np.nonzero(clipped >= threshold)
    order = reaching[np.argsort(-clipped[reaching], kind="stable")][:top_k]
    return [(int(column), float(clipped[column])) for column in order]
