"""``facematch calibration make | set | show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, PackName, UseOption, load_analyzer, open_watchlist
from facematch.cli.output import console, print_json, print_table, progress_bar
from facematch.errors import InvalidArgument

if TYPE_CHECKING:
    from facematch.matching import Calibration

__all__ = ["app"]

app = Commands(help="Thresholds tested for a false-positive identification rate.", no_args_is_help=True)


@app.command("make")
def make(
    images: Annotated[Path, typer.Option("--images", help="Folder with a folder of pictures a person.")],
    out: Annotated[Path, typer.Option("--out", help="File for the artifact.")],
    target_fpir: Annotated[float, typer.Option("--target-fpir", help="FPIR to certify, such as 0.01.")] = 0.01,
    gallery_size: Annotated[int, typer.Option("--gallery-size", min=1, help="Subjects in the gallery.")] = 200,
    templates: Annotated[int, typer.Option("--templates", min=1, help="Templates a subject.")] = 1,
    rule: Annotated[str, typer.Option("--rule", help="max, mean_template or mean_top_M.")] = "mean_template",
    data: Annotated[str | None, typer.Option("--data", help="The data in words; default: the folder's name.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draw.")] = 0,
    pack: PackName = "opencv",
    use: UseOption = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate a threshold on labeled pictures and write the artifact.

    Example: `facematch calibration make --images people/ --target-fpir 0.01 --gallery-size 200 --out site.json`
    """
    from facematch.evaluation.cache import EmbeddingCache
    from facematch.evaluation.certify import calibrate
    from facematch.evaluation.pictures import embed_folder, read_folder
    from facematch.matching import SubjectRule

    chosen = SubjectRule.parse(rule)
    analyzer = load_analyzer(pack, use)
    folder = read_folder(images)
    with progress_bar("embedding") as progress:
        pictures = embed_folder(analyzer, folder, cache=EmbeddingCache.open(analyzer), progress=progress)
    run = calibrate(
        pictures,
        folder.people,
        target_fpir=target_fpir,
        gallery_size=gallery_size,
        templates=templates,
        rule=chosen,
        models=", ".join(f"{role}: {what}" for role, what in analyzer.describe().items()),
        data=data or f"{images.name}: {len(pictures)} pictures of {len(folder.person_names)} people",
        seed=seed,
    )
    try:
        out.write_text(run.calibration.to_json(), "utf-8")
    except OSError as error:
        raise InvalidArgument(f"{out} cannot be written: {error}", hint="name another file") from error
    if as_json:
        print_json(run.to_dict())
        return
    _show(run.calibration)
    console().print(
        f"FNIR {run.fnir:.2%} [{run.fnir_interval[0]:.2%}, {run.fnir_interval[1]:.2%}] on {run.mated_people} people; "
        f"written to {out}",
        markup=False,
    )


@app.command("set")
def set_(
    artifact: Annotated[Path, typer.Argument(help="The artifact's file.")],
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Put an artifact in force for a watchlist; the next search of every process applies it.

    Example: `facematch calibration set site.json --db sqlite:///store-12.db`
    """
    with open_watchlist(access) as watchlist:
        calibration = watchlist.set_calibration(artifact)
    if as_json:
        print_json(calibration.to_dict())
    else:
        _show(calibration)


@app.command("show")
def show(
    artifact: Annotated[Path | None, typer.Argument(help="An artifact's file; default: the one in force.")] = None,
    plan: Annotated[
        int | None,
        typer.Option("--plan", min=1, max=10**9, help="Also estimate the FPIR for so many subjects."),
    ] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Show an artifact, or the one in force for a watchlist.

    Example: `facematch calibration show site.json --plan 1000`
    """
    from facematch.matching import Calibration

    if artifact is not None:
        calibration: Calibration | None = Calibration.load(artifact)
    else:
        with open_watchlist(access) as watchlist:
            calibration = watchlist.calibration
    planned = None if plan is None or calibration is None else calibration.planned_fpir(plan)
    if as_json:
        document = {"calibration": None if calibration is None else calibration.to_dict()}
        if planned is not None:
            document["planning_only"] = {"gallery_size": plan, "fpir": planned}
        print_json(document)
        return
    if calibration is None:
        console().print("no calibration was set; the pack's own threshold rules")
        return
    _show(calibration)
    if planned is not None:
        console().print(f"planning only, not tested: about {planned:.2%} FPIR with {plan} subjects")


def _show(calibration: Calibration) -> None:
    print_table(
        f"Calibration {calibration.digest[:12]}",
        ("", ""),
        [
            ("threshold", f"{calibration.threshold:.4f} (cosine)"),
            ("FPIR", f"at most {calibration.fpir_upper:.3%} at {calibration.confidence:.0%} confidence"),
            ("non-mated searches", f"{calibration.people} people, {calibration.errors} returned a candidate"),
            ("gallery", f"up to {calibration.gallery_size} subjects, {calibration.templates} templates each"),
            ("subject rule", calibration.rule),
            ("data", calibration.data),
            ("models", calibration.models),
            ("contract", calibration.contract),
            ("measured", f"{calibration.measured_at}, facematch {calibration.tool_version}"),
        ],
    )
