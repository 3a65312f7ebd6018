"""The report's timeline picture."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from facematch.types import Alert

__all__ = ["timeline_figure"]

_LIGHT = {"ink": "#3b4351", "faint": "#c9d0da", "grid": "#e6eaf0", "bar": "#d9660b", "text": "#ffffff"}
_DARK = {"ink": "#c3cad6", "faint": "#465062", "grid": "#2a313d", "bar": "#f58a2b", "text": "#14181f"}
_COLUMNS = 400
_LONGEST = 28


def timeline_figure(
    alerts: Sequence[Alert], counts: Sequence[tuple[float, int]], seconds: float, *, dark: bool = False
) -> bytes:
    """One row a candidate subject with a bar for each passage, over a faint strip of the number of faces in view.

    Args:
        alerts: The alerts.
        counts: ``(seconds, number of faces)`` over time.
        seconds: Duration of the recording.
        dark: Colors for a dark page instead of a light one.

    Returns:
        SVG, UTF-8, with a transparent ground and letters as outlines, so that it needs no font.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    colors = _DARK if dark else _LIGHT
    subjects = list(dict.fromkeys(alert.subject_id for alert in sorted(alerts, key=lambda a: a.start_s)))
    height = 1.35 + 0.42 * max(len(subjects), 1)
    figure = Figure(figsize=(9.6, height), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0.0)
    rows, strip = figure.subplots(2, 1, sharex=True, height_ratios=[max(len(subjects), 1) * 0.42, 0.42])
    end = max(seconds, 1e-3)
    smallest = end / 250  # a passage of a few frames must still be seen

    for row, subject in enumerate(subjects):
        mine = [alert for alert in alerts if alert.subject_id == subject]
        bars = [(alert.start_s, max(alert.end_s - alert.start_s, smallest)) for alert in mine]
        rows.broken_barh(bars, (row - 0.3, 0.6), facecolors=colors["bar"], linewidth=0)
    rows.set_ylim(max(len(subjects), 1) - 0.5, -0.5)
    rows.set_yticks(range(len(subjects)), labels=[_label(s) for s in subjects], parse_math=False)
    if not subjects:
        rows.text(
            0.5,
            0.5,
            "no candidate in this recording",
            transform=rows.transAxes,
            ha="center",
            va="center",
            color=colors["ink"],
            fontsize=10,
        )
    rows.tick_params(axis="x", length=0, labelbottom=False)

    times, heights = _thin(counts, end)
    strip.fill_between(times, heights, step="post", color=colors["faint"], linewidth=0)
    most = max((count for _, count in counts), default=0)
    strip.set_ylim(0, max(most, 1) * 1.1)
    strip.set_yticks([0, max(most, 1)])
    strip.set_ylabel("faces", color=colors["ink"], fontsize=9)
    strip.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=end > 10))
    strip.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(float(value), end)))
    strip.set_xlim(0, end)
    for axes in (rows, strip):
        axes.patch.set_alpha(0.0)
        axes.grid(axis="x", color=colors["grid"], linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=colors["ink"], labelsize=9)
        for side in axes.spines.values():
            side.set_visible(False)
    strip.spines["bottom"].set_visible(True)
    strip.spines["bottom"].set_color(colors["faint"])
    out = io.BytesIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _label(text: str) -> str:
    """Text as the bundled font can draw it, shortened in the middle of long ids."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont("DejaVu Sans"))
    line = "".join(c if c.isprintable() and font.get_char_index(ord(c)) else "?" for c in text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 9]}\N{HORIZONTAL ELLIPSIS}{line[-8:]}"


def _tick(value: float, end: float) -> str:
    minutes, rest = divmod(max(value, 0.0), 60.0)
    if end <= 10:
        return f"{rest:.1f} s" if minutes == 0 else f"{int(minutes)}:{rest:04.1f}"
    if minutes >= 60:
        return f"{int(minutes // 60)}:{int(minutes % 60):02}:{int(rest):02}"
    return f"{int(minutes):02}:{int(rest):02}"


def _thin(counts: Sequence[tuple[float, int]], end: float) -> tuple[list[float], list[int]]:
    """The largest count of each of at most ``_COLUMNS`` columns."""
    columns: dict[int, int] = {}
    for time_s, count in counts:
        at = math.floor(min(time_s / end, 1.0) * _COLUMNS)
        columns[at] = max(columns.get(at, 0), count)
    if not columns:
        return [0.0, end], [0, 0]
    order = sorted(columns)
    return [at / _COLUMNS * end for at in order] + [end], [columns[at] for at in order] + [columns[order[-1]]]
