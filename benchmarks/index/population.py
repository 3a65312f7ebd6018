"""Populations of made-up people: unit embeddings whose cosines are spread as those of real faces are.

Random directions are a poor test of face search: cosines of real strangers have a mean above zero and a heavy upper
tail, which is where wrong matches live, and two pictures of one person lie anywhere between 0.3 and 0.9. A population
makes people and pictures of them after this model:

    person     m = mean + sqrt(r) * c[kind] + sqrt(1 - r) * z      c, z ~ N(0, diag(between)), r ~ U(0, likeness)
    picture    x = (m + s * e) / |m + s * e|                       e ~ N(0, diag(within)), ln s ~ N(0, spread^2)

A Gaussian between people and within a person is the model of S. Ioffe, "Probabilistic linear discriminant analysis",
ECCV 2006. Two things are added, as without them neither tail is met. The noise of a picture has a scale of its own
(pictures are good or bad; a Gaussian scale mixture): it makes the mated scores as broad as they are. And people come in
``kinds``, each person more or less like the middle of one: it makes some strangers look alike.

All that is kept of real people are moments over thousands of them, in the basis in which their covariance is diagonal:
neither a picture nor an embedding nor a direction in the model's space can be had from them. The generated vectors are
turned by a random rotation, so that no coordinate means more than another, as in a model's own output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.protocols import Progress
from facematch.types import FloatArray

__all__ = ["Population", "Templates"]

_BLOCK: Final = 2048
_FORMAT: Final = "facematch-population-v1"
_KINDS_SEED: Final = 7
_ROTATION_SEED: Final = 11
_PERSON: Final = 0
_TEMPLATE: Final = 1


@dataclass(frozen=True, eq=False)
class Templates:
    """One picture each of many people, as a watchlist would hold them.

    Attributes:
        vectors: ``(N, D)`` ``float32`` unit vectors; row ``i`` is person ``i``.
        seed: From which the people can be made again, for other pictures of them.
    """

    vectors: FloatArray = field(repr=False)
    seed: int

    def __len__(self) -> int:
        """Number of people."""
        return int(self.vectors.shape[0])


@dataclass(frozen=True, eq=False)
class Population:
    """People of whom embeddings can be made.

    Attributes:
        name: What it is called.
        source: Pictures and model that it was fitted to.
        fitted: When, ``YYYY-MM-DD``.
        mean: ``(D,)`` ``float64``: the mean embedding in the eigenbasis.
        between: ``(D,)`` variances between people.
        within: ``(D,)`` variances between pictures of one person.
        spread: Standard deviation of the logarithm of a picture's noise scale.
        kinds: Number of kinds of people.
        likeness: Largest share of a person's variance that the person's kind explains, in ``[0, 1)``.
    """

    name: str
    source: str
    fitted: str
    mean: NDArray[np.float64] = field(repr=False)
    between: NDArray[np.float64] = field(repr=False)
    within: NDArray[np.float64] = field(repr=False)
    spread: float
    kinds: int
    likeness: float

    def __post_init__(self) -> None:
        """Check that the parts belong together.

        Raises:
            InvalidArgument: They do not.
        """
        sound = (
            self.mean.ndim == 1
            and self.mean.size > 0
            and self.mean.shape == self.between.shape == self.within.shape
            and bool(np.isfinite(self.mean).all())
            and min(float(self.between.min()), float(self.within.min()), self.spread) >= 0
            and self.kinds >= 1
            and 0 <= self.likeness < 1
        )
        if not sound:
            raise InvalidArgument(
                f"the population {self.name} has parts that do not fit together",
                hint="mean, between and within have one length; variances are not negative",
            )

    @classmethod
    def published(cls, name: str) -> Self:
        """A population that is published here; see :meth:`names`.

        Raises:
            InvalidArgument: There is none of that name; the message lists what there is.
        """
        if name not in (known := cls.names()):
            raise InvalidArgument(f"there is no population {name!r}", hint=f"one of {', '.join(known)}")
        return cls.from_document(json.loads((_folder() / f"{name}.json").read_text("utf-8")))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the published populations."""
        return tuple(sorted(path.stem for path in _folder().glob("*.json")))

    @classmethod
    def even(cls, dimension: int) -> Self:
        """A population without structure, for lengths of which none is published: all directions alike.

        Args:
            dimension: Length of the embeddings, at least 2.

        Raises:
            InvalidArgument: The dimension is below 2.
        """
        if dimension < 2:
            raise InvalidArgument(f"a population needs a dimension of at least 2, got {dimension}", hint="such as 128")
        shares = np.full(dimension, 1 / dimension)
        return cls("even", "no pictures: all directions alike", "", 0 * shares, 0.64 * shares, 0.36 * shares, 0.3, 1, 0)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """A population from what :meth:`to_document` gave.

        Raises:
            InvalidArgument: The document is of another format, or malformed.
        """
        try:
            if document["format"] != _FORMAT:
                raise InvalidArgument(f"a population of format {document['format']!r}", hint=f"expected {_FORMAT}")
            mean, between, within = (np.array(document[key], dtype=np.float64) for key in ("mean", "between", "within"))
            return cls(
                str(document["name"]),
                str(document["source"]),
                str(document["fitted"]),
                mean,
                between,
                within,
                float(document["spread"]),
                int(document["kinds"]),
                float(document["likeness"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InvalidArgument):
                raise
            raise InvalidArgument(f"a population is malformed: {error!r}", hint="fit it again") from error

    def to_document(self) -> dict[str, Any]:
        """The population as plain data, numbers to five digits."""
        arrays = {key: [float(f"{value:.5g}") for value in getattr(self, key)] for key in ("mean", "between", "within")}
        shape = {"spread": self.spread, "kinds": self.kinds, "likeness": self.likeness}
        return {
            "format": _FORMAT,
            "name": self.name,
            "source": self.source,
            "fitted": self.fitted,
            "dimension": self.dimension,
            **shape,
            **arrays,
        }

    @property
    def dimension(self) -> int:
        """Length of the embeddings."""
        return int(self.mean.size)

    def templates(self, count: int, rng: np.random.Generator, *, progress: Progress | None = None) -> Templates:
        """One picture each of ``count`` new people.

        Args:
            count: How many, at least 1.
            rng: Where the people come from; one number is drawn from it.
            progress: Called with people done and people in all.

        Raises:
            InvalidArgument: ``count`` is below 1.
        """
        if count < 1:
            raise InvalidArgument(f"a population makes one person or more, got {count}", hint="ask for at least one")
        seed = int(rng.integers(2**62))
        vectors = np.empty((count, self.dimension), dtype=np.float32)
        for start in range(0, count, _BLOCK):
            block = start // _BLOCK
            people = self._people(seed, block)[: count - start]
            vectors[start : start + _BLOCK] = self._pictures(people, _stream(seed, block, _TEMPLATE))
            if progress is not None:
                progress(start + len(people), count)
        return Templates(vectors, seed)

    def probes_of(self, templates: Templates, rows: NDArray[np.integer], rng: np.random.Generator) -> FloatArray:
        """Mated probes: another picture each of people whose templates were made here.

        Args:
            templates: The people, from :meth:`templates` of this population.
            rows: ``(Q,)`` which of them; repeated rows give different pictures.
            rng: Where the pictures come from.

        Returns:
            ``(Q, D)`` ``float32`` unit vectors.

        Raises:
            InvalidArgument: A row is not there.
        """
        if rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < len(templates):
            raise InvalidArgument(f"rows are 0 to {len(templates) - 1}", hint="they count the templates")
        people = np.empty((rows.size, self.dimension), dtype=np.float32)
        blocks = rows // _BLOCK
        for block in np.unique(blocks):
            here = blocks == block
            people[here] = self._people(templates.seed, int(block))[rows[here] % _BLOCK]
        return self._pictures(people, rng)

    def strangers(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Non-mated probes: ``(count, D)`` pictures of people of whom there is no template."""
        return self.templates(count, rng).vectors

    @cached_property
    def _centers(self) -> FloatArray:
        """``(kinds, D)``: the middles of the kinds, made up and the same each time; their mean is zero."""
        drawn = _normal(np.random.default_rng(_KINDS_SEED), (self.kinds, self.dimension))
        return np.asarray((drawn - drawn.mean(axis=0)) * np.sqrt(self.between, dtype=np.float32))

    @cached_property
    def _rotation(self) -> FloatArray:
        """``(D, D)`` a rotation, the same each time."""
        drawn = np.random.default_rng(_ROTATION_SEED).standard_normal((self.dimension, self.dimension))
        turned, upper = np.linalg.qr(drawn)
        return np.asarray(turned * np.sign(np.diag(upper)), dtype=np.float32)

    def _people(self, seed: int, block: int) -> FloatArray:
        """``(_BLOCK, D)`` people, in the eigenbasis."""
        rng = _stream(seed, block, _PERSON)
        kind = rng.integers(self.kinds, size=_BLOCK)
        share = self.likeness * rng.random((_BLOCK, 1), dtype=np.float32)
        own = _normal(rng, (_BLOCK, self.dimension)) * np.sqrt(self.between, dtype=np.float32)
        people = self.mean.astype(np.float32) + np.sqrt(share) * self._centers[kind] + np.sqrt(1 - share) * own
        return np.asarray(people, dtype=np.float32)

    def _pictures(self, people: FloatArray, rng: np.random.Generator) -> FloatArray:
        """``(N, D)`` one unit vector each of people ``(N, D)``, turned out of the eigenbasis."""
        scale = np.exp(np.float32(self.spread) * _normal(rng, (len(people), 1)))
        noise = _normal(rng, (len(people), self.dimension)) * np.sqrt(self.within, dtype=np.float32)
        pictures = (people + scale * noise) @ self._rotation
        pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
        return np.asarray(pictures, dtype=np.float32)


def _folder() -> Path:
    return Path(__file__).parent / "populations"


def _stream(seed: int, block: int, what: int) -> np.random.Generator:
    return np.random.default_rng([seed, block, what])


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return rng.standard_normal(shape, dtype=np.float32)
