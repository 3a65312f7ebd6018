from __future__ import annotations

from collections.abc import Iterator

import faiss
import pytest


@pytest.fixture(autouse=True, scope="package")
def one_thread_of_faiss() -> Iterator[None]:
    """OpenMP's threads wait for each other without rest; where cores are few and busy, that takes most of the time."""
    usual = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(usual)
