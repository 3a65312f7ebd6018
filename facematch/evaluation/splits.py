"""Open-set splits by person: gallery, mated probes, and people whom the gallery does not know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument

__all__ = ["OpenSetSplit", "one_picture_a_person", "open_set_split", "open_set_splits"]


@dataclass(frozen=True, slots=True, eq=False)
class OpenSetSplit:
    """Split of pictures by the part they play; people of the gallery and of the non-mated probes are disjoint.

    Attributes:
        gallery: Indices of the templates' pictures, ``templates`` a subject, grouped by subject.
        mated: Indices of further pictures of the gallery's people.
        non_mated: Indices of all pictures of all others.
    """

    gallery: NDArray[np.int64]
    mated: NDArray[np.int64]
    non_mated: NDArray[np.int64]

    @property
    def probes(self) -> NDArray[np.int64]:
        """Indices of all probes, the mated ones first."""
        return np.concatenate([self.mated, self.non_mated])


def open_set_split(
    people: NDArray[np.integer],
    gallery_size: int,
    *,
    templates: int = 1,
    random: np.random.Generator,
    usable: NDArray[np.bool_] | None = None,
    distractors: bool = False,
) -> OpenSetSplit:
    """Draw a gallery and split the rest.

    Subjects are drawn from those with at least ``templates`` usable pictures and one more, so that each has a mated
    probe; which pictures become templates is drawn too.

    Args:
        people: ``(N,)``, whom each picture shows, as any integers.
        gallery_size: Subjects in the gallery.
        templates: Pictures a subject is enrolled with, at least 1.
        random: Random numbers; the same state gives the same split.
        usable: ``(N,)``, whether a picture may become a template (a face was found in it); default: all may. Pictures
            that may not are still probes.
        distractors: Where too few people have pictures to spare, fill the gallery with people who have just
            ``templates`` usable ones and no mated probe.

    Raises:
        InvalidArgument: Too few people have enough pictures, or none would be left for non-mated probes.
    """
    if gallery_size < 1 or templates < 1:
        raise InvalidArgument(f"a gallery has subjects with templates, got {gallery_size} with {templates}")
    everyone, who = np.unique(people, return_inverse=True)
    able = np.ones(len(people), dtype=bool) if usable is None else usable
    pictures = np.bincount(who, minlength=len(everyone))
    templates_there = np.bincount(who[able], minlength=len(everyone))
    enough = (templates_there >= templates) & (pictures > templates)
    eligible, fillers = np.flatnonzero(enough), np.flatnonzero((templates_there >= templates) & ~enough)
    limit = len(eligible) + (len(fillers) if distractors else 0)
    if gallery_size > limit or gallery_size >= len(everyone):
        raise InvalidArgument(
            f"a gallery of {gallery_size} with {templates} pictures each is too large: {len(eligible)} of "
            f"{len(everyone)} people have {templates + 1} pictures or more, and one at least must stay outside",
            hint="ask for a smaller gallery or fewer templates",
        )
    chosen = random.permutation(eligible)[:gallery_size]
    if len(chosen) < gallery_size:
        chosen = np.concatenate([chosen, random.permutation(fillers)[: gallery_size - len(chosen)]])
    inside = np.zeros(len(everyone), dtype=bool)
    inside[chosen] = True
    shuffled = random.permutation(len(people))
    shuffled = shuffled[inside[who[shuffled]] & able[shuffled]]
    shuffled = shuffled[np.argsort(who[shuffled], kind="stable")]
    first = np.searchsorted(who[shuffled], who[shuffled], side="left")
    gallery = shuffled[np.arange(len(shuffled)) - first < templates]
    is_template = np.zeros(len(people), dtype=bool)
    is_template[gallery] = True
    return OpenSetSplit(gallery, np.flatnonzero(inside[who] & ~is_template), np.flatnonzero(~inside[who]))


def open_set_splits(
    people: NDArray[np.integer],
    gallery_size: int,
    *,
    draws: int,
    templates: int = 1,
    seed: int = 0,
    usable: NDArray[np.bool_] | None = None,
    distractors: bool = False,
) -> Iterator[OpenSetSplit]:
    """Repeated :func:`open_set_split` draws; the same seed gives the same draws.

    Raises:
        InvalidArgument: ``draws`` is not positive, or as :func:`open_set_split`.
    """
    if draws < 1:
        raise InvalidArgument(f"at least one draw is needed, got {draws}")
    for random in np.random.default_rng(seed).spawn(draws):
        yield open_set_split(
            people, gallery_size, templates=templates, random=random, usable=usable, distractors=distractors
        )


def one_picture_a_person(
    people: NDArray[np.integer], pictures: NDArray[np.integer], random: np.random.Generator
) -> NDArray[np.int64]:
    """One drawn picture of each person among ``pictures``: independent trials, as an exact interval needs them.

    Args:
        people: ``(N,)``, whom each picture shows.
        pictures: Indices into ``people`` to draw from.
        random: Random numbers.

    Returns:
        Indices, one a person, in the people's order.
    """
    shuffled = random.permutation(np.asarray(pictures, dtype=np.int64))
    return shuffled[np.unique(people[shuffled], return_index=True)[1]]
