"""A keyed orthogonal rotation of templates.

Stored templates are multiplied by a random orthogonal matrix that only the holder of the seed can compute. Inner
products, and with them all scores, stay the same; two watchlists with different seeds cannot be joined by comparing
their stored vectors, and a new seed renews all templates. It is **not** irreversible: the seed undoes it,
and enough known pairs of rotated and plain vectors solve for the matrix. It comes on top of encryption.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

__all__ = ["orthogonal"]


@lru_cache(maxsize=4)
def orthogonal(seed: bytes, dimension: int) -> NDArray[np.float64]:
    """A uniformly distributed (Haar) orthogonal matrix that depends on the seed alone.

    QR decomposition of a Gaussian matrix, the signs fixed by the diagonal of R (Mezzadri, "How to generate random
    matrices from the classical compact groups", 2007). The Gaussians come from ChaCha20 key stream by Box-Muller.

    Args:
        seed: 32 secret bytes.
        dimension: Length of the vectors, at least 1.

    Returns:
        ``(dimension, dimension)`` ``float64``; read-only. Rotate row vectors as ``vectors @ matrix``.
    """
    count = dimension * dimension
    stream = Cipher(ChaCha20(seed, bytes(16)), mode=None).encryptor().update(bytes(16 * count))
    uniform = (np.frombuffer(stream, dtype="<u8") >> np.uint64(11)).astype(np.float64) * 2.0**-53
    first, second = uniform[:count], uniform[count:]
    gaussian = np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)
    q, r = np.linalg.qr(gaussian.reshape(dimension, dimension))
    matrix: NDArray[np.float64] = q * np.where(np.diag(r) < 0.0, -1.0, 1.0)
    matrix.setflags(write=False)
    return matrix
