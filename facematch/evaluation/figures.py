"""The pictures of evaluation reports: PNG, for a light or a dark page, rates in percent on labeled axes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.detection import DetectionResult
from facematch.evaluation.identification import SearchScores, dir_at_fpir, fnir
from facematch.evaluation.ratios import GroupRate
from facematch.evaluation.verification import DetCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["det_figure", "fpir_fnir_figure", "groups_figure", "precision_recall_figure", "scores_figure"]

_LIGHT: Final = {
    "ground": "#ffffff",
    "ink": "#3b4351",
    "grid": "#e6eaf0",
    "one": "#d9660b",
    "two": "#2f6fab",
    "soft": "#8893a3",
}
_DARK: Final = {
    "ground": "#1a2029",
    "ink": "#c3cad6",
    "grid": "#2a313d",
    "one": "#f58a2b",
    "two": "#6fb1ee",
    "soft": "#8893a3",
}
_POINTS: Final = 2000
_BINS: Final = 100


def det_figure(curve: DetCurve, *, threshold: float | None = None, dark: bool = False) -> bytes:
    """The DET curve, both axes logarithmic, with the equal error rate and the threshold's point.

    Args:
        curve: The curve.
        threshold: The threshold to mark, a raw cosine.
        dark: Colors for a dark page.

    Returns:
        PNG.
    """
    figure, axes, colors = _canvas(dark)
    floor_x, floor_y = _floor(curve.fmr), _floor(curve.fnmr)
    keep = _thin(len(curve.fmr))
    axes.plot([floor_x, 1], [floor_x, 1], color=colors["soft"], linewidth=1, linestyle=":")
    axes.plot(
        np.maximum(curve.fmr[keep], floor_x),
        np.maximum(curve.fnmr[keep], floor_y),
        color=colors["two"],
        linewidth=2,
        drawstyle="steps-post",
        label="DET",
    )
    if 0 < curve.eer < 1:
        axes.plot([curve.eer], [curve.eer], "o", color=colors["soft"], label=f"equal error rate {_percent(curve.eer)}")
    if threshold is not None:
        at = int(np.searchsorted(-curve.thresholds, -threshold, side="right")) - 1
        point = (max(curve.fmr[at], floor_x), max(curve.fnmr[at], floor_y))
        axes.plot(*point, "D", color=colors["one"], clip_on=False, zorder=4, label=f"threshold {threshold:.4f}")
    _log_axes(axes, (floor_x, 1), (floor_y, 1))
    axes.set_xlabel("FMR: non-mated pairs accepted")
    axes.set_ylabel("FNMR: mated pairs refused")
    axes.legend(frameon=False, labelcolor=colors["ink"], fontsize=9)
    return _png(figure)


def fpir_fnir_figure(draws: Sequence[SearchScores], *, dark: bool = False) -> bytes:
    """FNIR over FPIR, one faint line a draw and their mean, both axes logarithmic.

    Args:
        draws: The searches of each draw.
        dark: Colors for a dark page.

    Returns:
        PNG.
    """
    figure, axes, colors = _canvas(dark)
    least = min(1 / max(len(draw.non_mated_tops), 1) for draw in draws)
    grid = np.geomspace(least, 1, 200)
    lines = []
    for draw in draws:
        tops = np.sort(draw.non_mated_tops)[::-1]
        thresholds = np.nextafter(tops[np.minimum((grid * len(tops)).astype(np.int64), len(tops) - 1)], np.inf)
        lines.append(fnir(draw, thresholds))
        axes.plot(grid, np.maximum(lines[-1], 1e-4), color=colors["soft"], linewidth=0.8, alpha=0.5)
    mean = np.mean(lines, axis=0)
    axes.plot(grid, mean, color=colors["two"], linewidth=2.2, label=f"mean of {len(draws)} draws")
    for target in (0.1, 0.01, 0.001):
        if target >= least:
            value = float(np.mean([1 - dir_at_fpir(draw, target)[0] for draw in draws]))
            axes.plot([target], [value], "o", color=colors["one"])
            axes.annotate(
                _percent(value),
                (target, value),
                (6, 6),
                textcoords="offset points",
                color=colors["ink"],
                bbox={"boxstyle": "round,pad=0.15", "facecolor": colors["ground"], "edgecolor": "none", "alpha": 0.85},
            )
    positive = mean[mean > 0]
    low = float(positive.min()) if positive.size else 1e-3
    _log_axes(axes, (least, 1), (min(low, 0.1) / 1.5, 1))
    axes.set_xlabel("FPIR: searches for people outside the gallery that return a candidate")
    axes.set_ylabel("FNIR: searches that miss the mate")
    axes.legend(frameon=False, labelcolor=colors["ink"], fontsize=9)
    return _png(figure)


def scores_figure(
    mated: NDArray[np.floating],
    non_mated: NDArray[np.floating],
    *,
    labels: tuple[str, str] = ("mated", "non-mated"),
    thresholds: Mapping[str, float] | None = None,
    weights: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
    dark: bool = False,
) -> bytes:
    """Histograms of mated and non-mated scores, each as shares of its own number.

    Args:
        mated: ``(M,)`` scores, or centers of bins with ``weights``.
        non_mated: ``(N,)`` scores, or centers of bins with ``weights``.
        labels: What the two are.
        thresholds: Thresholds to mark, by name.
        weights: Counts of the bins whose centers are given.
        dark: Colors for a dark page.

    Returns:
        PNG.
    """
    figure, axes, colors = _canvas(dark)
    finite = [scores[np.isfinite(scores)] for scores in (mated, non_mated)]
    if weights is not None:
        finite = [scores[weight > 0] for scores, weight in zip(finite, weights, strict=True)]
    low = min((float(scores.min()) for scores in finite if scores.size), default=-1.0)
    edges = np.linspace(max(low, -1.0), 1, _BINS + 1)
    for scores, weight, color, label in zip(
        (non_mated, mated),
        (None, None) if weights is None else weights[::-1],
        ("two", "one"),
        labels[::-1],
        strict=True,
    ):
        counts = np.histogram(scores, bins=edges, weights=weight)[0]
        total = len(scores) if weight is None else weight.sum()
        share = counts / max(float(total), 1.0)
        axes.stairs(share, edges, fill=True, color=colors[color], alpha=0.35, linewidth=0)
        axes.stairs(share, edges, color=colors[color], linewidth=1.6, label=label)
    for name, value in (thresholds or {}).items():
        axes.axvline(value, color=colors["ink"], linewidth=1.1, linestyle="--")
        axes.annotate(
            f"{name} {value:.3f}",
            (value, 1.0),
            (3, -3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            va="top",
            fontsize=8,
            color=colors["ink"],
        )
    axes.set_xlim(edges[0], 1)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(_percent_tick)
    axes.set_xlabel("score (raw cosine)")
    axes.set_ylabel(f"share of each, in bins of {edges[1] - edges[0]:.3f}")
    axes.legend(frameon=False, labelcolor=colors["ink"], fontsize=9, loc="upper right")
    return _png(figure)


def precision_recall_figure(result: DetectionResult, *, dark: bool = False) -> bytes:
    """Precision over recall of a detector.

    Args:
        result: What was measured.
        dark: Colors for a dark page.

    Returns:
        PNG.
    """
    figure, axes, colors = _canvas(dark)
    recall, precision = result.curve
    keep = _thin(len(recall))
    axes.plot(recall[keep], precision[keep], color=colors["two"], linewidth=2, label=f"AP {result.ap:.3f}")
    if result.precision is not None:
        found = result.recall_at_height.get("20") or 0.0
        axes.plot([found], [result.precision], "D", color=colors["one"], label=f"score {result.score_threshold:g}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_percent_tick)
    axes.set_xlabel("recall: faces found")
    axes.set_ylabel("precision: detections that are faces")
    axes.legend(frameon=False, labelcolor=colors["ink"], fontsize=9, loc="lower left")
    return _png(figure)


def groups_figure(rates: Mapping[str, Mapping[str, GroupRate]], *, dark: bool = False) -> bytes:
    """Rates of groups with their intervals, one panel a metric.

    Args:
        rates: By metric, then by group.
        dark: Colors for a dark page.

    Returns:
        PNG.
    """
    from matplotlib.figure import Figure

    colors = _DARK if dark else _LIGHT
    shown = {
        metric: by_group for metric, by_group in rates.items() if any(r.errors for r in by_group.values())
    } or rates
    names = list(next(iter(shown.values())))
    figure = Figure(figsize=(9.6, 0.9 + len(shown) * (0.55 + 0.3 * len(names))), layout="constrained")
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (metric, by_group) in zip(panels, shown.items(), strict=True):
        for row, name in enumerate(names):
            rate = by_group[name]
            if rate.rate is None or rate.interval is None:
                continue
            color = colors["soft"] if rate.insufficient else colors["one"]
            axes.plot([rate.interval.low, rate.interval.high], [row, row], color=color, linewidth=2.2)
            axes.plot([rate.rate], [row], "o", color=color)
        axes.set_yticks(range(len(names)), labels=[_label(name) for name in names], parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_title(metric.upper(), loc="left", fontsize=10, color=colors["ink"])
        axes.xaxis.set_major_formatter(_percent_tick)
        _dress(axes, colors)
    panels[-1].set_xlabel("error rate with its 95 % interval", color=colors["ink"])
    figure.patch.set_facecolor(colors["ground"])
    return _png(figure)


def _canvas(dark: bool) -> tuple[Figure, Axes, Mapping[str, str]]:
    from matplotlib.figure import Figure

    colors = _DARK if dark else _LIGHT
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    figure.patch.set_facecolor(colors["ground"])
    axes = figure.subplots()
    _dress(axes, colors)
    return figure, axes, colors


def _dress(axes: Axes, colors: Mapping[str, str]) -> None:
    axes.set_facecolor(colors["ground"])
    axes.grid(color=colors["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=colors["ink"], labelsize=9)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(colors["ink"])
    for side in axes.spines.values():
        side.set_color(colors["grid"])


def _log_axes(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*x)
    axes.set_ylim(*y)
    for axis, (low, high) in ((axes.xaxis, x), (axes.yaxis, y)):
        if high / low < 300:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(_percent_tick)
        axis.set_minor_formatter(NullFormatter())


def _percent_tick(value: float, _: float) -> str:
    return f"{100 * value:.6g} %"


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"


def _floor(rates: NDArray[np.float64]) -> float:
    positive = rates[rates > 0]
    return float(min(positive.min(), 0.1)) / 2 if positive.size else 1e-3


def _thin(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, _POINTS)).astype(np.int64))


def _label(text: str) -> str:
    line = "".join(c if c.isprintable() and ord(c) < 0x2E80 else "?" for c in text)
    return line if len(line) <= 28 else f"{line[:19]}\N{HORIZONTAL ELLIPSIS}{line[-8:]}"


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=160, metadata={"Software": None})
    return out.getvalue()
