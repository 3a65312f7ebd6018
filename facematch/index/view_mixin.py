"""Mixin that searches an index through a view of its present moment, so that a search meets no change half-way."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from facematch.protocols import VectorSearch
from facematch.types import FloatArray, IdSet, Matches

__all__ = ["ViewSearchMixin"]


class ViewSearchMixin(ABC):
    """The searching half of a :class:`~facematch.protocols.VectorIndex` that can hold a moment."""

    @abstractmethod
    def view(self) -> VectorSearch:
        """View of what a search would read now, whatever changes later."""

    def search(
        self, queries: FloatArray, k: int, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """The ``k`` highest inner products of each query; see :class:`~facematch.protocols.VectorSearch`.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        return self.view().search(queries, k, allowed=allowed)

    def search_above(
        self, queries: FloatArray, threshold: float, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> Matches:
        """Everything that scores ``threshold`` or more; see :class:`~facematch.protocols.VectorSearch`.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        return self.view().search_above(queries, threshold, allowed=allowed)

    def vectors(self, ids: NDArray[np.int64]) -> FloatArray:
        """The vectors ``(N, dimension)`` of ids ``(N,)``.

        Raises:
            VectorIndexError: An id is not there.
        """
        return self.view().vectors(ids)
