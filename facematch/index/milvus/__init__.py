"""Search in Milvus, for galleries beyond memory. Needs the extra ``milvus``.

Milvus selects, float64 ranks: Milvus returns a few places more than asked for, with their vectors, and their scores are
computed again by :func:`~facematch.index.checks.exact_scores`. Where the boundary falls into a tie or into Milvus's
rounding, more places are fetched; beyond Milvus's limit of 16,384 places the ids are halved until every part is
complete. So this index answers as the others do, as long as Milvus compares with every vector (index type ``FLAT``).

The database is the truth and the collection a projection: it lives for one opening and is dropped with the index.

==============  =====================================================
``index``       the index: which ids are held, adding, removing
``search``      exact answers from Milvus's approximate scores
``filters``     the scope of a search as Milvus's filter expression
``collection``  requests to one collection, its creation and its end
``connection``  the client, and its errors as those of the index
==============  =====================================================
"""

from __future__ import annotations

from facematch.index.milvus.collection import sweep_collections
from facematch.index.milvus.index import MilvusIndex

__all__ = ["MilvusIndex", "sweep_collections"]
