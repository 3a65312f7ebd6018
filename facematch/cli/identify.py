"""``facematch identify`` and ``facematch verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import (
    Access,
    AsJson,
    MemoryBudget,
    PackName,
    Purpose,
    Site,
    SmallestFace,
    ThresholdOption,
    TopK,
    UseOption,
    ZoneOption,
    load_analyzer,
    open_watchlist,
)
from facematch.cli.output import console, print_json, print_table

__all__ = ["identify", "verify"]


def identify(
    image: Annotated[Path, typer.Argument(help="The picture to search with.")],
    purpose: Purpose = None,
    site: Site = None,
    zone: ZoneOption = None,
    top_k: TopK = 5,
    threshold: ThresholdOption = None,
    smallest_face: SmallestFace = None,
    *,
    access: Access,
    pack: PackName = "opencv",
    use: UseOption = None,
    memory_budget: MemoryBudget = None,
    as_json: AsJson = False,
) -> None:
    """Search every face of a picture against the watchlist.

    Example: `facematch identify door.jpg --purpose site-access --site store-12`
    """
    with open_watchlist(
        access,
        analyzer=load_analyzer(pack, use, smallest_face=smallest_face),
        memory_budget=memory_budget,
    ) as watchlist:
        result = watchlist.identify(
            image, purpose=purpose or "", site=site, zone=zone, top_k=top_k, threshold=threshold
        )
    if as_json:
        print_json(result.to_dict())
        return
    if not result.probes:
        console().print("no face found")
        return
    rows = []
    for number, probe in enumerate(result.probes, start=1):
        where = " ".join(f"{value:.0f}" for value in probe.face.box.as_tuple())
        names = "\n".join(f"{c.subject_id}  {c.score:.3f}" for c in probe.candidates) or "none on the list"
        rows.append((number, where, f"{probe.face.detection_score:.2f}", names))
    print_table("Faces in reading order", ("face", "box x1 y1 x2 y2", "detection", "candidates"), rows)
    console().print(
        f"threshold {result.threshold:.3f} (cosine), {result.gallery_size} subjects in scope. "
        "A candidate is for a person to judge."
    )
    for note in result.notes:
        console().print(f"note: {note}", markup=False)


def verify(
    subject: Annotated[str, typer.Argument(help="The claimed subject.")],
    image: Annotated[Path, typer.Argument(help="A picture with one face.")],
    purpose: Purpose = None,
    site: Site = None,
    zone: ZoneOption = None,
    threshold: ThresholdOption = None,
    *,
    access: Access,
    pack: PackName = "opencv",
    use: UseOption = None,
    memory_budget: MemoryBudget = None,
    as_json: AsJson = False,
) -> None:
    """Compare the face in a picture with one enrolled subject (1:1).

    Example: `facematch verify s-0042 door.jpg --purpose site-access`
    """
    with open_watchlist(access, analyzer=load_analyzer(pack, use), memory_budget=memory_budget) as watchlist:
        result = watchlist.verify(subject, image, purpose=purpose or "", site=site, zone=zone, threshold=threshold)
    if as_json:
        print_json(result.to_dict())
        return
    score = "" if result.score is None else f", score {result.score:.3f}"
    console().print(f"{result.outcome.replace('_', ' ')}{score} (threshold {result.threshold:.3f})")
