"""``facematch evaluate lfw | verification | openset | detection | differentials``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch import __version__
from facematch.cli.evaluate_options import (
    CacheFolder,
    Draws,
    FaceOption,
    GallerySize,
    ImagesFolder,
    JsonFile,
    NoCache,
    ReportFolder,
    RuleOption,
    Seed,
    Templates,
    finish,
    open_cache,
    percent,
)
from facematch.cli.option_groups import Commands
from facematch.cli.options import PackName, SmallestFace, UseOption, load_analyzer
from facematch.cli.output import ExitCode, console, print_table, progress_bar
from facematch.errors import InvalidArgument

if TYPE_CHECKING:
    from facematch.evaluation.differentials import DifferentialsResult
    from facematch.faces import FaceAnalyzer
    from facematch.settings import Use

__all__ = ["app"]

app = Commands(help="Measure how accurate a model pack is.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure how accurate a model pack is."""


@app.command("lfw")
def lfw(
    images: ImagesFolder,
    pairs: Annotated[Path, typer.Option("--pairs", help="LFW's pairs.txt.")],
    pack: PackName = "opencv",
    use: UseOption = None,
    cache: CacheFolder = None,
    no_cache: NoCache = False,
    report: ReportFolder = None,
    json_file: JsonFile = None,
) -> None:
    """Run the LFW protocol: 6,000 pairs in ten folds, and thresholds from all pairs of the pictures.

    Example: `facematch evaluate lfw --images lfw/images --pairs lfw/pairs.txt --report lfw-report/`
    """
    from facematch.evaluation.lfw import evaluate_lfw
    from facematch.evaluation.pairs import operational_threshold
    from facematch.evaluation.summaries import report_lfw

    analyzer = load_analyzer(pack, use)
    with progress_bar("embedding") as progress:
        result = evaluate_lfw(
            analyzer, images, pairs, cache=open_cache(analyzer, "central", cache, no_cache), progress=progress
        )
    document = {"pack": pack_name(pack), **result.to_dict()}
    threshold = operational_threshold(analyzer)
    if not finish(document, json_file, report, lambda: report_lfw(result, _made_with(analyzer), threshold)):
        return
    console().print(
        f"accuracy {percent(result.accuracy)} +- {100 * result.std:.2f} on {result.n_pairs:,} pairs, "
        f"equal error rate {percent(result.eer)}, {len(result.failures)} pictures without a face"
    )
    rows = [
        (f"{float(fmr):g}", f"{point['threshold']:.4f}", f"{point['fmr']:.2e}", percent(point["fnmr"]))
        for fmr, point in result.thresholds.items()
    ]
    print_table(f"{result.n_non_mated:,} non-mated pairs", ("target FMR", "threshold", "FMR", "FNMR"), rows)


@app.command("verification")
def verification(
    pairs: Annotated[Path, typer.Option("--pairs", help="CSV with image_a,image_b,same; same is 0 or 1.")],
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of the list's paths; default: the list's own.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Raw cosine to judge at; default: the pack's tested one.")
    ] = None,
    face: FaceOption = "central",
    pack: PackName = "opencv",
    use: UseOption = None,
    cache: CacheFolder = None,
    no_cache: NoCache = False,
    report: ReportFolder = None,
    json_file: JsonFile = None,
) -> None:
    """Judge a list of pairs at the tested threshold.

    Example: `facematch evaluate verification --pairs pairs.csv --images pictures/ --json result.json`
    """
    from facematch.evaluation.pairs import evaluate_verification
    from facematch.evaluation.summaries import report_verification

    analyzer = load_analyzer(pack, use)
    with progress_bar("embedding") as progress:
        result = evaluate_verification(
            analyzer,
            pairs,
            images=images,
            threshold=threshold,
            choice=face,
            cache=open_cache(analyzer, face, cache, no_cache),
            progress=progress,
        )
    document = {"pack": pack_name(pack), **result.to_dict()}
    if not finish(document, json_file, report, lambda: report_verification(result, _made_with(analyzer))):
        return
    rows = [("pairs", f"{result.n_pairs:,}"), ("accuracy at the best threshold", percent(result.accuracy_best))]
    if result.accuracy_at_threshold is None:
        rows.append(("threshold", "the pack has no tested one; give --threshold"))
    else:
        rows += [("threshold", f"{result.threshold:.4f}"), ("accuracy", percent(result.accuracy_at_threshold))]
    rows += [
        (name, f"{percent(rate.value)} ({rate.errors:,} of {rate.trials:,})")
        for name, rate in (("FMR", result.fmr), ("FNMR", result.fnmr))
        if rate is not None
    ]
    print_table("Verification", ("", ""), [*rows, ("pictures without a face", str(len(result.failures)))])
    for name in result.failures:
        console(stderr=True).print(f"no face: {name}", markup=False)


@app.command("openset")
def openset(
    images: ImagesFolder,
    gallery_size: GallerySize = None,
    templates: Templates = 1,
    draws: Draws = 10,
    rule: RuleOption = "max",
    seed: Seed = 0,
    face: FaceOption = "central",
    pack: PackName = "opencv",
    use: UseOption = None,
    cache: CacheFolder = None,
    no_cache: NoCache = False,
    report: ReportFolder = None,
    json_file: JsonFile = None,
) -> None:
    """Search galleries drawn from a labeled folder with their own people and with strangers.

    Example: `facematch evaluate openset --images lfw/images --gallery-size 1000 --draws 10 --json openset.json`
    """
    from facematch.evaluation.openset import evaluate_openset
    from facematch.evaluation.summaries import report_openset
    from facematch.matching.subjects import SubjectRule

    chosen = SubjectRule.parse(rule)
    analyzer = load_analyzer(pack, use)
    with progress_bar("embedding") as progress:
        result = evaluate_openset(
            analyzer,
            images,
            gallery_size=gallery_size,
            templates=templates,
            draws=draws,
            rule=chosen,
            seed=seed,
            choice=face,
            cache=open_cache(analyzer, face, cache, no_cache),
            progress=progress,
        )
    document = {"pack": pack_name(pack), **result.to_dict()}
    if not finish(document, json_file, report, lambda: report_openset(result, _made_with(analyzer))):
        return
    rows = [
        (percent(float(fpir)), "too few searches to see it", "", "")
        if point is None
        else (
            percent(float(fpir)),
            percent(point.rate),
            f"{percent(point.ci95.low)} to {percent(point.ci95.high)}",
            f"{point.threshold:.4f}",
        )
        for fpir, point in result.dir_at_fpir.items()
    ]
    print_table(
        f"Gallery of {result.gallery_size:,} people, {result.n_mated:,} mated and {result.n_non_mated:,} non-mated "
        f"probes, {result.draws} draws",
        ("FPIR", "DIR", "95 % interval", "threshold"),
        rows,
    )
    console().print(f"rank-1 rate {percent(result.rank1)}; thresholds are measured, not certified")


@app.command("detection")
def detection(
    images: Annotated[Path, typer.Option("--images", help="Folder of the list's paths.")],
    truth: Annotated[Path, typer.Option("--truth", help="List in WIDER FACE's format.")],
    max_side: Annotated[
        int | None,
        typer.Option(
            "--max-side", help="Longer side in pixels that the detector sees, 0: as it is; default: its most accurate."
        ),
    ] = None,
    smallest_face: SmallestFace = None,
    score: Annotated[
        float | None, typer.Option("--score", help="Detection score for recall and false positives; default: its own.")
    ] = None,
    pack: PackName = "opencv",
    use: UseOption = None,
    report: ReportFolder = None,
    json_file: JsonFile = None,
) -> None:
    """Measure a pack's detector: average precision, recall by height, false positives a picture.

    Example: `facematch evaluate detection --images wider/images --truth wider/bbx_gt.txt --json detection.json`
    """
    from facematch.evaluation.detection import evaluate_detection
    from facematch.evaluation.summaries import report_detection

    analyzer = _detecting(pack, use, max_side, smallest_face, score)
    with progress_bar("detecting") as progress:
        result = evaluate_detection(analyzer, images, truth, progress=progress)
    document = {"pack": pack_name(pack), **result.to_dict()}
    if not finish(document, json_file, report, lambda: report_detection(result, _made_with(analyzer))):
        return
    rows = [("average precision", f"{result.ap:.4f}")]
    rows += [
        (f"recall, {height} px and higher", "none there" if recall is None else percent(recall))
        for height, recall in result.recall_at_height.items()
    ]
    rows.append(("false positives a picture", f"{result.false_positives_per_image:.2f}"))
    title = f"{result.n_faces:,} faces in {result.n_images:,} pictures, score {result.score_threshold:g}"
    print_table(title, ("", ""), rows)


@app.command("differentials")
def differentials(
    images: ImagesFolder,
    groups: Annotated[Path, typer.Option("--groups", help="CSV with image,group; paths relative to --images.")],
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="The operational threshold; default: the pack's tested one.")
    ] = None,
    fpir: Annotated[
        float | None, typer.Option("--fpir", help="Instead: the threshold at which the FPIR of all people is this.")
    ] = None,
    max_ratio: Annotated[
        float | None, typer.Option("--max-ratio", help="Release gate: exit with 4 where FPIR or FNIR differ by more.")
    ] = None,
    min_people: Annotated[
        int, typer.Option("--min-people", min=1, help="Fewest people of a group that a ratio rests on.")
    ] = 30,
    gallery_size: GallerySize = None,
    templates: Templates = 1,
    draws: Draws = 10,
    rule: RuleOption = "max",
    seed: Seed = 0,
    face: FaceOption = "central",
    pack: PackName = "opencv",
    use: UseOption = None,
    cache: CacheFolder = None,
    no_cache: NoCache = False,
    report: ReportFolder = None,
    json_file: JsonFile = None,
) -> None:
    """Compare the error rates of groups at one threshold; with --max-ratio, a release gate.

    The gate exits with 4 where a ratio of FPIR or FNIR exceeds the limit, and where a group cannot be judged.

    Example: `facematch evaluate differentials --images lfw/images --groups groups.csv --fpir 0.01 --max-ratio 1.5`
    """
    from facematch.evaluation.differentials import evaluate_differentials
    from facematch.evaluation.summaries import report_differentials
    from facematch.matching.subjects import SubjectRule

    chosen = SubjectRule.parse(rule)
    analyzer = load_analyzer(pack, use)
    with progress_bar("embedding") as progress:
        result = evaluate_differentials(
            analyzer,
            images,
            groups,
            threshold=threshold,
            target_fpir=fpir,
            gallery_size=gallery_size,
            templates=templates,
            draws=draws,
            rule=chosen,
            seed=seed,
            max_ratio=max_ratio,
            min_people=min_people,
            choice=face,
            cache=open_cache(analyzer, face, cache, no_cache),
            progress=progress,
        )
    document = {"pack": pack_name(pack), **result.to_dict()}
    if finish(document, json_file, report, lambda: report_differentials(result, _made_with(analyzer))):
        _print_differentials(result)
    if result.gate is not None and not result.gate.passed:
        for reason in result.gate.reasons:
            console(stderr=True).print(f"release gate: {reason}", markup=False)
        raise typer.Exit(ExitCode.REFUSED)


def _print_differentials(result: DifferentialsResult) -> None:
    rows = []
    for metric, by_group in result.rates.items():
        for group, rate in by_group.items():
            known = rate.rate is not None and rate.interval is not None
            ends = f"{percent(rate.interval.low)} to {percent(rate.interval.high)}" if rate.interval else ""
            value = percent(rate.rate) if known and rate.rate is not None else "-"
            rows.append((metric.upper(), group, value, ends, f"{rate.people:,}", rate.insufficient or ""))
    print_table(
        f"At threshold {result.threshold:.4f}; FPIR of all people {percent(result.fpir)}, gallery of "
        f"{result.gallery_size:,} people",
        ("rate", "group", "value", "95 % interval", "people", "insufficient"),
        rows,
    )
    ratios = [
        (metric.upper(), f"{ratio.value:.2f}", f"{ratio.interval.low:.2f} to {ratio.interval.high:.2f}")
        for metric, ratio in result.max_min.items()
        if ratio.value is not None and ratio.interval is not None
    ]
    print_table("Largest by smallest group's rate", ("rate", "ratio", "95 % interval"), ratios)


def pack_name(pack: str) -> str:
    """Name of a pack in results: of a folder, its last part."""
    return Path(pack).name


def _made_with(analyzer: FaceAnalyzer) -> dict[str, str]:
    return {"facematch": __version__, **analyzer.describe()}


def _detecting(
    pack: str, use: Use | None, max_side: int | None, smallest_face: float | None, score: float | None
) -> FaceAnalyzer:
    options = {} if score is None else {"score_threshold": score}
    if smallest_face is not None:
        return load_analyzer(pack, use, smallest_face=smallest_face, max_side=max_side, **options)
    if max_side is not None:
        return load_analyzer(pack, use, max_side=max_side, **options)
    try:
        return load_analyzer(pack, use, max_side=0, **options)
    except InvalidArgument:  # a detector that always scales to a side of its own
        return load_analyzer(pack, use, **options)
