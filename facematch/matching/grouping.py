"""The best subjects of a probe when a subject's score is a mean over its templates, without scoring every subject.

Templates are asked for best first. The mean of a subject's best scores is at most its best score, so a subject of whom
no template has come yet scores at most what the last one did. When the wanted subjects all reach that, no other can
come between them any more (the threshold algorithm of Fagin, Lotem and Naor, 2003, for one list).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.matching.subjects import SubjectRule
from facematch.protocols import VectorSearch
from facematch.types import FloatArray, IdSet

__all__ = ["Templates", "top_subjects"]

Ints = NDArray[np.int64]

_FIRST = 32
_MORE = 4


@dataclass(frozen=True, slots=True)
class Templates:
    """Templates in an index, grouped by subject.

    Attributes:
        search: The index.
        subjects_of: Gives the subjects ``(N,)``, as any integers, of template ids ``(N,)``.
        templates_of: Gives all template ids of subjects ``(N,)`` that may be compared.
        allowed: The templates that may be compared.
    """

    search: VectorSearch
    subjects_of: Callable[[Ints], Ints]
    templates_of: Callable[[Ints], Ints]
    allowed: IdSet


def top_subjects(
    templates: Templates, query: FloatArray, rule: SubjectRule, *, top_k: int, threshold: float
) -> list[tuple[int, float, int]]:
    """The best subjects of one probe by the mean of their best scores.

    Args:
        templates: The templates.
        query: ``(D,)`` ``float32`` unit vector.
        rule: A ``mean_top`` rule, or ``max``.
        top_k: Subjects wanted, at least 1.
        threshold: Lowest score that counts, a raw cosine.

    Returns:
        Up to ``top_k`` tuples ``(subject, score, best template)``, highest score first, ties by smaller subject; scores
        clipped to ``[-1, 1]``. Exact where the index is; otherwise exact among the templates that it finds.
    """
    places = min(max(_FIRST, _MORE * top_k), max(len(templates.allowed), 1))
    while True:
        scores, ids = templates.search.search(query[None], places, allowed=templates.allowed)
        there = ids[0] >= 0
        ranked = _ranked(templates, query, rule, np.unique(templates.subjects_of(ids[0][there])))
        best = [item for item in ranked if item[1] >= threshold][:top_k]
        bound = float(scores[0, -1]) if bool(there.all()) and places < len(templates.allowed) else -np.inf
        if bound < threshold or (len(best) == top_k and best[-1][1] > bound):
            return best
        places = min(places * _MORE, len(templates.allowed))


def _ranked(templates: Templates, query: FloatArray, rule: SubjectRule, subjects: Ints) -> list[tuple[int, float, int]]:
    if subjects.size == 0:
        return []
    ids = np.sort(templates.templates_of(subjects))
    scores = np.clip(templates.search.vectors(ids) @ query, -1.0, 1.0)
    owners = templates.subjects_of(ids)
    order = np.lexsort((ids, -scores, owners))
    owners, scores, ids = owners[order], scores[order], ids[order]
    starts = np.flatnonzero(np.diff(owners, prepend=owners[0] - 1))
    found = []
    for start, end in zip(starts, [*starts[1:], owners.size], strict=True):
        mean = float(scores[start : min(end, start + rule.top)].mean(dtype=np.float64))
        found.append((int(owners[start]), mean, int(ids[start])))
    return sorted(found, key=lambda item: (-item[1], item[0]))
