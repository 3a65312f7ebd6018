"""The report of one processed recording: a single HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from facematch.errors import VideoWriteError
from facematch.protocols import Analyzer
from facematch.types import Alert, SearchTerms
from facematch.video.passages.settings import PassageSettings
from facematch.video.recording.figure import timeline_figure
from facematch.video.recording.result import VideoResult

__all__ = ["ReportFacts", "clock_time", "write_report"]


@runtime_checkable
class _Describes(Protocol):
    def describe(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class ReportFacts:
    """Everything that the report tells.

    Attributes:
        result: The outcome.
        terms: What ruled the searches when the run began: threshold, gallery, contract, purpose, site.
        recording: Name of the recording.
        recorded_at: When it was recorded, if the file says so.
        processed_at: When it was processed.
        actor: Who processed it.
        analyzer: The models; asked for its operating point and, if it can, its description.
        blurred: Whether people who are not candidates are redacted in the annotated video.
        settings: What a passage needed, and in which frames faces were looked for.
        counts: ``(seconds, faces)`` over time.
        thumbnails: JPEG bytes by alert id.
    """

    result: VideoResult
    terms: SearchTerms
    recording: str
    recorded_at: datetime | None
    processed_at: datetime
    actor: str
    analyzer: Analyzer
    blurred: bool
    settings: PassageSettings
    counts: tuple[tuple[float, int], ...]
    thumbnails: Mapping[str, bytes]


def clock_time(seconds: float, *, tenths: bool = False) -> str:
    """``mm:ss`` from the first frame, ``h:mm:ss`` from the first hour on; with ``tenths``, ``mm:ss.t``."""
    whole, tenth = divmod(int(seconds * 10), 10)
    hours, minutes = divmod(whole // 60, 60)
    text = f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes:02}:{whole % 60:02}"
    return f"{text}.{tenth}" if tenths else text


def write_report(facts: ReportFacts, path: Path) -> None:
    """Write the report.

    Raises:
        VideoWriteError: The file cannot be written.
    """
    html = _render(facts)
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise VideoWriteError(
            f"{str(path)!r} cannot be written: {error.strerror}", hint="check that the folder is writable and has room"
        ) from error


def _render(facts: ReportFacts) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("facematch.video"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    alerts = sorted(facts.result.alerts, key=lambda alert: (alert.start_s, alert.end_s))
    seconds = facts.result.seconds
    return environment.get_template("report.html.j2").render(
        facts=facts,
        result=facts.result,
        subjects=len({alert.subject_id for alert in alerts}),
        duration=clock_time(seconds),
        processed_at=_moment(facts.processed_at),
        recorded_at=None if facts.recorded_at is None else _moment(facts.recorded_at),
        cards=[_card(alert, facts.thumbnails.get(alert.alert_id)) for alert in alerts],
        figure_light=_data_uri("image/svg+xml", timeline_figure(alerts, facts.counts, seconds, dark=False)),
        figure_dark=_data_uri("image/svg+xml", timeline_figure(alerts, facts.counts, seconds, dark=True)),
        settings=_settings(facts),
    )


def _card(alert: Alert, thumbnail: bytes | None) -> dict[str, Any]:
    return {
        "subject_id": alert.subject_id,
        "start": clock_time(alert.start_s, tenths=True),
        "end": clock_time(alert.end_s, tenths=True),
        "seconds": f"{max(alert.end_s - alert.start_s, 0.0):.1f}",
        "score": f"{alert.score:.3f}",
        "threshold": f"{alert.threshold:.3f}",
        "score_percent": f"{100 * min(max(alert.score, 0.0), 1.0):.1f}",
        "threshold_percent": f"{100 * min(max(alert.threshold, 0.0), 1.0):.1f}",
        "others": [(c.subject_id, f"{c.score:.3f}") for c in alert.candidates[1:]],
        "frames": alert.frames,
        "shots": alert.shots,
        "alert_id": alert.alert_id,
        "started_at": _moment(alert.started_at),
        "thumbnail": None if thumbnail is None else _data_uri("image/jpeg", thumbnail),
    }


def _settings(facts: ReportFacts) -> list[tuple[str, str]]:
    terms, result, point = facts.terms, facts.result, facts.analyzer.operating_point
    if point is None:
        origin = "given by the caller; the model pack has no tested threshold"
    else:
        origin = (
            f"tested: {point.error_kind} {point.error_rate:.4g} at {point.threshold:.4f} on {point.measured_on}, "
            f"{point.trials:,} non-mated trials, {point.measured_at}"
        )
        if abs(terms.threshold - point.threshold) > 1e-9:
            origin = f"raised by the caller; {origin}"
    rows = [
        ("Purpose", terms.purpose),
        ("Site", terms.site or "not given"),
        ("Threshold (raw cosine)", f"{terms.threshold:.4f}"),
        ("Where the threshold comes from", origin),
        ("Subjects the search could reach", str(terms.gallery_size)),
        ("Gallery generation", str(terms.generation)),
        ("Embedding contract", terms.contract),
    ]
    if isinstance(facts.analyzer, _Describes):
        rows += [(name.replace("_", " ").capitalize(), str(value)) for name, value in facts.analyzer.describe().items()]
    rows += [
        ("Recording", facts.recording),
        (
            "Recorded at",
            "not in the file; times count from the start of processing"
            if facts.recorded_at is None
            else _moment(facts.recorded_at),
        ),
        ("Processed at", f"{_moment(facts.processed_at)} by {facts.actor}"),
        ("Frames processed", f"{result.frames:,} ({result.fps_processed:.1f} a second, both passes)"),
        ("Damaged frames or packets", str(result.broken_frames)),
        (
            "Faces looked for in",
            "every frame" if facts.settings.every == 1 else f"every {facts.settings.every}th frame",
        ),
        ("Frames that a passage needs", str(facts.settings.min_frames)),
        ("Seconds that a passage needs", f"{facts.settings.min_seconds:g}"),
        ("Alerts that the policy refused", str(result.refused_alerts)),
        (
            "People who are not candidates",
            "redacted in the annotated video" if facts.blurred else "NOT redacted in the annotated video",
        ),
    ]
    return rows


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
