from __future__ import annotations

import numpy as np
import pytest

from facematch.index.codebook import ProductCodes, can_code
from facematch.types import FloatArray
from tests.unit.index.support import units

DIMENSION = 32


def _decoded(codes: ProductCodes) -> FloatArray:
    return np.concatenate([[index.reconstruct(n) for n in range(index.ntotal)] for index in codes._indexes])


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("fine", [False, True])
def test_scanned_codes_that_are_taken_out_are_overwritten_and_no_others(parts: int, fine: bool) -> None:
    vectors = units(1003, DIMENSION)
    codes = ProductCodes.trained(vectors, 1003, parts, fine=fine)
    for start in range(0, 1003, 100):  # over the bounds of parts
        codes.add(vectors[start : start + 100])
    assert (len(codes), codes.parts) == (1003, parts)
    before = _decoded(codes)
    np.testing.assert_allclose((before * vectors).sum(axis=1).mean(), 0.8, atol=0.15)  # each in its own place
    labels = np.array([1002, 0, 31, 32, 334, 335, 336, 670], dtype=np.int64)
    after = _decoded(codes.without(labels))
    kept = np.setdiff1d(np.arange(1003), labels)
    np.testing.assert_array_equal(after[kept], before[kept])
    assert (after[labels] != before[labels]).any(axis=1).all()
    np.testing.assert_array_equal(_decoded(codes), before)  # searches in the old ones find them as they were


def test_every_part_proposes_its_own_labels() -> None:
    vectors = units(1003, DIMENSION)
    one, three = (ProductCodes.trained(vectors, 1003, parts, fine=True) for parts in (1, 3))
    for codes in (one, three):
        codes.add(vectors)
    for part in range(3):
        labels = three.propose_in(part, vectors[part * 335 : part * 335 + 20], 5)
        np.testing.assert_array_equal(labels[:, 0], part * 335 + np.arange(20))
    proposed = three.propose(vectors[:50], 30)
    assert proposed.shape == (50, 30)
    everything = three.propose(vectors[:9], 1003)
    np.testing.assert_array_equal([np.unique(row[row >= 0]).size for row in everything], 1003)
    best = one.propose(vectors[:50], 10)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(best.tolist(), proposed.tolist(), strict=True)]) > 9


def test_vectors_can_be_coded_from_sixteen_on_and_of_an_even_length() -> None:
    assert [can_code(dimension, 16) for dimension in (6, 8, 9, 10, 128)] == [False, True, False, True, True]
    assert not can_code(128, 15)
