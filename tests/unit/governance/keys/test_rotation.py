"""The orthogonal rotation: what it keeps, what it hides, and that it is the same everywhere."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from facematch.governance.keys import new_key, orthogonal
from facematch.types import FloatArray

SEED = bytes(range(32))


def _unit(count: int, dimension: int, seed: int = 0) -> FloatArray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension))
    units: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


def _chacha20(key: bytes, length: int) -> bytes:
    """Key stream of RFC 8439, section 2.4, with counter and nonce 0."""

    def turned(value: int, bits: int) -> int:
        return (value << bits | value >> (32 - bits)) & 0xFFFFFFFF

    words = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    words += [int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4)]
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    output = b""
    for counter in range(-(-length // 64)):
        start = [*words, counter, 0, 0, 0]
        state = list(start)
        for a, b, c, d in 10 * (columns + diagonals):
            for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[x] = (state[x] + state[y]) & 0xFFFFFFFF
                state[z] = turned(state[z] ^ state[x], bits)
        output += b"".join(((s + t) & 0xFFFFFFFF).to_bytes(4, "little") for s, t in zip(state, start, strict=True))
    return output[:length]


def _by_hand(seed: bytes, dimension: int) -> list[list[float]]:
    """The matrix by the letter: ChaCha20, Box-Muller, Gram-Schmidt on the columns (the QR with a positive diagonal)."""
    count = dimension * dimension
    stream = _chacha20(seed, 16 * count)
    uniform = [(int.from_bytes(stream[i : i + 8], "little") >> 11) * 2.0**-53 for i in range(0, 16 * count, 8)]
    normal = [
        math.sqrt(-2.0 * math.log(1.0 - a)) * math.cos(2.0 * math.pi * b)
        for a, b in zip(uniform[:count], uniform[count:], strict=True)
    ]
    columns: list[list[float]] = []
    for number in range(dimension):
        column = [normal[row * dimension + number] for row in range(dimension)]
        for done in columns:
            along = math.fsum(x * y for x, y in zip(column, done, strict=True))
            column = [x - along * y for x, y in zip(column, done, strict=True)]
        length = math.sqrt(math.fsum(x * x for x in column))
        columns.append([x / length for x in column])
    return [[column[row] for column in columns] for row in range(dimension)]


def test_the_key_stream_of_the_oracle_is_that_of_the_standard() -> None:
    # RFC 8439, appendix A.1, test vector 1
    assert _chacha20(bytes(32), 32).hex() == "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"


@pytest.mark.parametrize("dimension", [1, 2, 5, 16])
def test_the_matrix_is_the_one_that_the_documentation_describes(dimension: int) -> None:
    assert np.allclose(orthogonal(SEED, dimension), _by_hand(SEED, dimension), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dimension", [1, 2, 16, 128, 512])
def test_it_is_orthogonal_to_1e_12(dimension: int) -> None:
    matrix = orthogonal(new_key(), dimension)
    assert matrix.shape == (dimension, dimension)
    assert float(np.abs(matrix @ matrix.T - np.eye(dimension)).max()) < 1e-12
    assert float(np.abs(matrix.T @ matrix - np.eye(dimension)).max()) < 1e-12


@pytest.mark.parametrize("dimension", [16, 128, 512])
def test_inner_products_of_what_is_stored_stay_within_1e_6(dimension: int) -> None:
    plain, matrix = _unit(200, dimension), orthogonal(SEED, dimension)
    stored = (plain.astype(np.float64) @ matrix).astype(np.float32)
    before = plain.astype(np.float64) @ plain.astype(np.float64).T
    after = stored.astype(np.float64) @ stored.astype(np.float64).T
    assert float(np.abs(before - after).max()) < 1e-6


def test_it_is_the_same_in_every_process() -> None:
    code = (
        "import hashlib, sys; from facematch.governance.keys import orthogonal; "
        "sys.stdout.write(hashlib.sha256(orthogonal(bytes(range(32)), 128).tobytes()).hexdigest())"
    )
    there = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)]
    here = hashlib.sha256(orthogonal(SEED, 128).tobytes()).hexdigest().encode()
    assert there == [here, here]


def test_it_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="read-only"):
        orthogonal(SEED, 4)[0, 0] = 1.0


def test_vectors_under_other_seeds_cannot_be_compared() -> None:
    plain = _unit(300, 128)
    first, second = (plain.astype(np.float64) @ orthogonal(new_key(), 128) for _ in range(2))
    between = np.sum(first * second, axis=1)  # the same face under both seeds
    strangers = np.sum(plain[:150].astype(np.float64) * plain[150:], axis=1)
    # both are cosines of unrelated directions: mean 0, deviation 1/sqrt(128)
    assert abs(float(between.mean())) < 5 / math.sqrt(128 * 300)
    assert abs(float(between.std()) - 1 / math.sqrt(128)) < 0.02
    assert abs(float(strangers.std()) - 1 / math.sqrt(128)) < 0.02


def test_one_changed_bit_of_the_seed_changes_everything() -> None:
    other = bytes([SEED[0] ^ 1]) + SEED[1:]
    first, second = orthogonal(SEED, 64), orthogonal(other, 64)
    correlation = float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
    assert abs(correlation) < 5 / 64  # five deviations of a correlation of 4096 unrelated numbers


def test_it_is_uniform_over_the_orthogonal_group() -> None:
    # for Haar, every entry has mean 0 and variance 1/D, and both determinants come up equally often
    made = np.stack([orthogonal(hashlib.sha256(bytes([n % 256, n // 256])).digest(), 3) for n in range(2000)])
    assert float(np.abs(made.mean(axis=0)).max()) < 5 * math.sqrt(1 / 3 / 2000)
    assert float(np.abs((made**2).mean(axis=0) - 1 / 3).max()) < 5 * math.sqrt(0.09 / 2000)
    rotations = int((np.linalg.det(made) > 0).sum())
    assert abs(rotations - 1000) < 5 * math.sqrt(2000 / 4)
