"""Contents of each evaluation's report: the main figures, then diagrams, tables and how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.detection import DetectionResult
from facematch.evaluation.differentials import DifferentialsResult
from facematch.evaluation.figures import (
    det_figure,
    fpir_fnir_figure,
    groups_figure,
    precision_recall_figure,
    scores_figure,
)
from facematch.evaluation.lfw import LfwResult
from facematch.evaluation.openset import OpenSetResult
from facematch.evaluation.pairs import VerificationResult
from facematch.evaluation.ratios import GroupRate, Ratio
from facematch.evaluation.report import compose, figure, table
from facematch.evaluation.verification import det_curve
from facematch.reporting import Report, Section

__all__ = ["report_detection", "report_differentials", "report_lfw", "report_openset", "report_verification"]

_WORST = 10
_METRICS: Mapping[str, str] = {
    "fpir": "FPIR",
    "fnir": "FNIR",
    "fmr": "FMR, within the group",
    "fnmr": "FNMR",
    "fte": "FTE",
}


def report_lfw(result: LfwResult, models: Mapping[str, str], threshold: float | None = None) -> Report:
    """The report of the LFW protocol.

    Args:
        result: What was measured.
        models: The models and the version of facematch in a few words.
        threshold: The pack's tested threshold, to mark.
    """
    curve = det_curve(result.scores[result.same], result.scores[~result.same])
    bins = len(result.histogram.mated)
    centers = (np.arange(bins) + 0.5) * 2 / bins - 1
    marks = {} if threshold is None else {"threshold": threshold}
    return compose(
        kind="evaluation · LFW",
        title="Labeled Faces in the Wild",
        tiles=(
            (f"{100 * result.accuracy:.2f} %", f"accuracy, ± {100 * result.std:.2f} over ten folds"),
            (_percent(result.eer), f"equal error rate, {result.n_pairs:,} pairs"),
            *((_percent(rate), f"TPR at FMR {_percent(float(fmr))}") for fmr, rate in result.tpr_at_fmr.items()),
            (str(len(result.failures)), f"of {result.n_images:,} pictures without a face"),
        ),
        notes=("FMR is a rate of one comparison. A search compares one face with every subject of the gallery.",),
        figures=(
            figure(
                "det",
                "DET",
                "Down and to the left is better; the edges stand for no error.",
                lambda d: det_figure(curve, threshold=threshold, dark=d),
            ),
            figure(
                "scores",
                "Scores of all pairs of pictures",
                f"{int(result.histogram.mated.sum()):,} mated and {result.n_non_mated:,} non-mated pairs, "
                "each as shares of its own number.",
                lambda d: scores_figure(
                    centers,
                    centers,
                    weights=(result.histogram.mated.astype(float), result.histogram.non_mated.astype(float)),
                    thresholds=marks,
                    dark=d,
                ),
            ),
        ),
        tables=(
            table(
                "Thresholds from all pairs",
                ("target FMR", "threshold", "FMR", "FNMR"),
                [
                    (_percent(float(fmr)), f"{p['threshold']:.4f}", _percent(p["fmr"]), _percent(p["fnmr"]))
                    for fmr, p in result.thresholds.items()
                ],
            ),
            *_worst_pairs(result.scores, result.same, result.pictures),
        ),
        facts=[
            *_facts(models, result.contract, result.data_digest, result.seconds),
            ("Pictures", f"{result.n_images:,} of {result.n_people:,} people"),
        ],
    )


def report_verification(result: VerificationResult, models: Mapping[str, str]) -> Report:
    """The report of a list of pairs."""
    tiles = [(_percent(result.accuracy_best), "accuracy at the best threshold for these pairs")]
    if result.accuracy_at_threshold is not None:
        tiles.insert(0, (_percent(result.accuracy_at_threshold), f"accuracy at threshold {result.threshold:.4f}"))
    for name, rate in (("FMR", result.fmr), ("FNMR", result.fnmr)):
        if rate is not None:
            ends = rate.interval()
            tiles.append((_percent(rate.value), f"{name}, 95 % interval {_range(ends.low, ends.high)}"))
    tiles.append((str(len(result.failures)), "pictures without a face"))
    marks = {} if result.threshold is None else {"threshold": result.threshold}
    figures = []
    if (curve := result.curve) is not None:
        figures.append(
            figure("det", "DET", "Down and to the left is better; the edges stand for no error.",
                  lambda d: det_figure(curve, threshold=result.threshold, dark=d))
        )  # fmt: skip
    figures.append(
        figure(
            "scores",
            "Scores",
            "Mated and non-mated pairs, each as shares of its own number.",
            lambda d: scores_figure(result.scores[result.same], result.scores[~result.same], thresholds=marks, dark=d),
        )
    )
    return compose(
        kind="evaluation · verification",
        title=f"{result.n_pairs:,} pairs",
        tiles=tiles,
        notes=("The best threshold is chosen on these very pairs; it promises nothing for others.",),
        figures=figures,
        tables=_worst_pairs(result.scores, result.same, result.pictures),
        facts=_facts(models, result.contract, result.data_digest, result.seconds),
    )


def report_openset(result: OpenSetResult, models: Mapping[str, str]) -> Report:
    """The report of the open-set protocol."""
    known = {fpir: point for fpir, point in result.dir_at_fpir.items() if point is not None}
    mates = np.concatenate([draw.mate[draw.mated] for draw in result.searches])
    tops = np.concatenate([draw.non_mated_tops for draw in result.searches])
    return compose(
        kind="evaluation · open set",
        title=f"A gallery of {result.gallery_size:,} people",
        tiles=(
            *((_percent(point.rate), f"DIR at FPIR {_percent(float(fpir))}") for fpir, point in known.items()),
            (_percent(result.rank1), "rank-1 rate, whatever the score"),
            (f"{result.templates}", f"template{'s' if result.templates > 1 else ''} a person, rule {result.rule}"),
            (_percent(result.fta.value), "FTA: pictures without a face"),
        ),
        notes=(
            "Thresholds are the ones that these searches show, not certified ones: calibrate before you rely on one.",
            "Non-mated searches of one person are not independent; intervals resample people.",
        ),
        figures=(
            figure(
                "fpir-fnir",
                "FNIR over FPIR",
                "Down and to the left is better. Figures stand at FPIR 10 %, 1 % and 0.1 %.",
                lambda d: fpir_fnir_figure(result.searches, dark=d),
            ),
            figure(
                "scores",
                "Scores that decide",
                "The mate's score in mated searches, and the highest score of any subject in non-mated ones.",
                lambda d: scores_figure(
                    mates,
                    tops,
                    labels=("mate", "highest of non-mated"),
                    thresholds={f"FPIR {_percent(float(fpir))}:": point.threshold for fpir, point in known.items()},
                    dark=d,
                ),
            ),
        ),
        tables=(
            table(
                "Detection and identification rate",
                ("FPIR", "DIR", "95 % interval", "FNIR", "threshold"),
                [
                    (
                        _percent(float(fpir)),
                        *(
                            ("too few searches to see it", "", "", "")
                            if point is None
                            else (
                                _percent(point.rate),
                                _range(point.ci95.low, point.ci95.high),
                                _percent(1 - point.rate),
                                f"{point.threshold:.4f}",
                            )
                        ),
                    )
                    for fpir, point in result.dir_at_fpir.items()
                ],
                "Means over the draws; a mate counts when it comes first and reaches the threshold.",
            ),
            table(
                "Non-mated searches with the highest scores",
                ("probe", "template", "score"),
                [(w.probe[:16], w.template[:16], f"{w.score:.4f}") for w in result.worst[:_WORST]],
                "Look-alikes, relatives, or wrong labels.",
            ),
        ),
        facts=[
            *_facts(models, result.contract, result.data_digest, result.seconds),
            ("People", f"{result.n_people:,}; {result.n_non_mated_people:,} outside the gallery in each draw"),
            ("Probes a draw", f"{result.n_mated:,} mated, {result.n_non_mated:,} non-mated"),
            ("Draws", f"{result.draws}, seed {result.seed}"),
        ],
    )


def report_detection(result: DetectionResult, models: Mapping[str, str]) -> Report:
    """The report of a detector."""
    heights = [
        (f"at least {height} px", "none there" if recall is None else _percent(recall))
        for height, recall in result.recall_at_height.items()
    ]
    settings = result.detector.get("settings", {})
    return compose(
        kind="evaluation · detection",
        title=f"{result.n_faces:,} faces in {result.n_images:,} pictures",
        tiles=(
            (f"{result.ap:.3f}", "average precision"),
            (heights[0][1], f"of faces found at score {result.score_threshold:g}"),
            (f"{result.false_positives_per_image:.2f}", "false positives a picture"),
            (f"{result.seconds / max(result.n_images, 1) * 1000:.0f} ms", "a picture"),
        ),
        notes=(
            "Faces flagged invalid or under 20 pixels of height neither count nor punish.",
            "Data sets leave faces out: some false positives are faces.",
        ),
        figures=(
            figure("precision-recall", "Precision over recall", "Up and to the right is better.",
                  lambda d: precision_recall_figure(result, dark=d)),
        ),
        tables=(table("Recall by height of the face", ("height", "found"), heights),),
        facts=[
                *_models(models),
            *((name.replace("_", " ").capitalize(), str(value)) for name, value in settings.items()),
            ("Faces that neither count nor punish", f"{result.n_ignored:,}"),
        ],
    )  # fmt: skip


def report_differentials(result: DifferentialsResult, models: Mapping[str, str]) -> Report:
    """The report of differentials between groups."""
    gate = result.gate
    tiles = [(f"{result.threshold:.4f}", "the one threshold (cosine)"), (_percent(result.fpir), "FPIR of all people")]
    tiles += [
        ("not judged" if ratio.value is None else f"{ratio.value:.2f}", f"{_METRICS[metric]}: largest by smallest")
        for metric, ratio in result.max_min.items()
        if metric in {"fpir", "fnir"}
    ]
    if gate is not None:
        tiles.insert(0, ("passed" if gate.passed else "not passed", f"release gate: ratios up to {gate.max_ratio:g}"))
    rows = [
        (_METRICS[metric], name, *_cells(rate), rate.insufficient or "")
        for metric, by_group in result.rates.items()
        for name, rate in by_group.items()
    ]
    ratios = [
        (_METRICS[metric], *_ratio(result.max_min[metric]), *_ratio(result.max_geomean[metric])[:2])
        for metric in result.rates
    ]
    names = list(result.groups)
    return compose(
        kind="evaluation · differentials",
        title="Error rates by group",
        tiles=tiles,
        notes=(
            "Groups were written down by people and are not inferred.",
            "All are judged at one threshold, against galleries that mix them. An insufficient rate supports no ratio.",
        ),
        stops=() if gate is None else gate.reasons,
        figures=(
            figure(
                "groups",
                "Error rates with their intervals",
                "Gray: too few people or no error, so no ratio rests on it.",
                lambda d: groups_figure(result.rates, dark=d),
            ),
        ),
        tables=(
            table("Rates", ("rate", "group", "value", "95 % interval", "errors", "people", "insufficient"), rows),
            table(
                "Ratios between groups",
                ("rate", "max/min", "95 % interval", "between", "max/geometric mean", "95 % interval"),
                ratios,
                "Intervals resample people; an open end means that a group had no error in some replicates.",
            ),
            table(
                "FMR by the groups of a non-mated pair",
                ("group", *names),
                [(one, *(_small(result.cross_fmr[one][two].value) for two in names)) for one in names],
            ),
        ),
        facts=[
            *_facts(models, result.contract, result.data_digest, result.seconds),
            ("People by group", ", ".join(f"{name} {count:,}" for name, count in result.groups.items())),
            ("People left out", f"{result.unlabeled:,} without a group, {result.ambiguous:,} in several"),
            ("Gallery", f"{result.gallery_size:,} people, {result.templates} templates each, rule {result.rule}"),
            ("Draws", str(result.draws)),
            ("Fewest people of a group for a ratio", str(result.min_people)),
        ],
    )


def _worst_pairs(
    scores: NDArray[np.float64], same: NDArray[np.bool_], pictures: Sequence[tuple[str, str]]
) -> tuple[Section, ...]:
    tables = []
    for title, rows in (
        ("Non-mated pairs with the highest scores", np.flatnonzero(~same)[np.argsort(-scores[~same], kind="stable")]),
        ("Mated pairs with the lowest scores", np.flatnonzero(same)[np.argsort(scores[same], kind="stable")]),
    ):
        cells = [(pictures[r][0][:16], pictures[r][1][:16], f"{scores[r]:.4f}") for r in rows[:_WORST]]
        if cells:
            tables.append(table(title, ("one picture", "the other", "score"), cells))
    return tuple(tables)


def _facts(models: Mapping[str, str], contract: str, data: str, seconds: float) -> list[tuple[str, str]]:
    return [
        *_models(models),
        ("Embedding contract", contract),
        ("Digest of the pictures", data),
        ("Time", f"{seconds:.1f} s"),
    ]


def _models(models: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name.replace("_", " ").capitalize(), value) for name, value in models.items()]


def _cells(rate: GroupRate) -> tuple[str, str, str, str]:
    if rate.rate is None or rate.interval is None:
        return "-", "-", "0 of 0", str(rate.people)
    ends = f"{_small(rate.interval.low)} to {_small(rate.interval.high)}"
    return _small(rate.rate), ends, f"{rate.errors:,} of {rate.trials:,}", f"{rate.people:,}"


def _ratio(ratio: Ratio) -> tuple[str, str, str]:
    if ratio.value is None or ratio.interval is None or ratio.groups is None:
        return "not judged", "", ""
    high = f"{ratio.interval.high:.2f}" if np.isfinite(ratio.interval.high) else "no end"
    return f"{ratio.value:.2f}", f"{ratio.interval.low:.2f} to {high}", " / ".join(ratio.groups)


def _percent(rate: float) -> str:
    text = f"{100 * rate:.2f}".rstrip("0").rstrip(".") if rate >= 0.0001 or rate == 0 else f"{100 * rate:.2g}"
    return f"{text} %"


def _small(rate: float) -> str:
    return "-" if np.isnan(rate) else f"{100 * rate:.3g} %"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {100 * high:.2f} %"
