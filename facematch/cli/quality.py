"""``facematch quality`` and ``facematch preview``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from facematch.cli.options import Access, AsJson, PackName, Site, UseOption, ZoneOption, load_analyzer, open_watchlist
from facematch.cli.output import console, print_json, print_table

__all__ = ["preview", "quality"]


def quality(
    image: Annotated[Path, typer.Argument(help="The picture.")],
    pack: PackName = "opencv",
    use: UseOption = None,
    as_json: AsJson = False,
) -> None:
    """Measure the quality of every face in a picture, and say what enrollment would refuse.

    Example: `facematch quality a.jpg`
    """
    from facematch.imaging import decode_pixels
    from facematch.types import QualityGate

    analyzer = load_analyzer(pack, use)
    pixels = decode_pixels(image)
    (faces,) = analyzer.detect([pixels])
    gate = QualityGate()
    measured = [
        (face, found, gate.failures(found)) for face, found in zip(faces, analyzer.assess(pixels, faces), strict=True)
    ]
    if as_json:
        print_json(
            {
                "faces": [
                    {
                        "box": [round(v, 2) for v in face.box.as_tuple()],
                        "quality": found.to_dict(),
                        "failures": failures,
                    }
                    for face, found, failures in measured
                ]
            }
        )
        return
    if not measured:
        console().print("no face found")
        return
    rows = [
        (name, *(_cell(name, found.to_dict()[name], failures) for _, found, failures in measured))
        for name in measured[0][1].to_dict()
    ]
    columns = ("component", *(f"face {number}" for number in range(1, len(measured) + 1)))
    print_table("Quality, faces in reading order; ! fails the enrollment gate", columns, rows)


def preview(
    images: Annotated[list[Path], typer.Argument(help="Pictures as for enroll.")],
    purpose: Annotated[
        str | None, typer.Option("--purpose", help="Also look for look-alikes, for this purpose.")
    ] = None,
    site: Site = None,
    zone: ZoneOption = None,
    *,
    access: Access,
    pack: PackName = "opencv",
    use: UseOption = None,
    as_json: AsJson = False,
) -> None:
    """Look at pictures as enroll would, and store nothing: quality, look-alikes, predicted false positives.

    Example: `facematch preview a.jpg b.jpg --purpose site-access`
    """
    with open_watchlist(access, analyzer=load_analyzer(pack, use)) as watchlist:
        result = watchlist.preview_enrollment(list(images), purpose=purpose, site=site, zone=zone)
    if as_json:
        print_json(result.to_dict())
        return
    rows = [
        (
            item.picture,
            "-" if item.quality is None else f"{item.quality.unified:.0f}",
            "" if item.refusal is None else f"{item.refusal.code}: {item.refusal.message}",
            ", ".join(f"{c.subject_id} {c.score:.3f}" for c in item.look_alikes) or "-",
        )
        for item in result.pictures
    ]
    print_table("Enrollment preview; nothing was stored", ("picture", "quality", "refused", "look-alikes"), rows)
    if result.look_alikes is None:
        console().print("look-alikes were not sought: name a --purpose")
    if result.fpir_now is not None and result.fpir_then is not None:
        console().print(
            f"planning only: FPIR about {result.fpir_now:.3%} with {result.gallery_size} subjects, "
            f"{result.fpir_then:.3%} with one more"
        )


def _cell(name: str, value: Any, failures: dict[str, str]) -> str:
    return f"{value:.4g}{' !' if name in failures else ''}"
