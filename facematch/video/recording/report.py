"""The report of one processed recording: a single HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from facematch.errors import VideoWriteError
from facematch.protocols import Analyzer
from facematch.reporting import Card, Cards, Facts, Figure, Figures, Note, Report, Section, to_html
from facematch.types import Alert, SearchTerms
from facematch.video.passages.settings import PassageSettings
from facematch.video.recording.figure import timeline_figure
from facematch.video.recording.result import VideoResult

__all__ = ["ReportFacts", "clock_time", "write_report"]

_CANDIDATES: Final = Note(
    "Every alert below is for a person to review: compare the pictures, and expect some of them to be wrong. Nothing "
    "may happen to a person on the strength of this page alone.",
    title="A candidate is not an identity.",
)
_KEPT: Final = (
    "Of passages without a candidate nothing was kept: no picture, no embedding, no score. Their number and the number "
    "of faces in view are the only trace. Scores are raw cosines, not probabilities. The annotated video beside this "
    "page has no sound; faces that the detector did not find cannot be redacted in it."
)


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
    html = to_html(_document(facts))
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise VideoWriteError(
            f"{str(path)!r} cannot be written: {error.strerror}", hint="check that the folder is writable and has room"
        ) from error


def _document(facts: ReportFacts) -> Report:
    result = facts.result
    alerts = sorted(result.alerts, key=lambda alert: (alert.start_s, alert.end_s))
    subjects = len({alert.subject_id for alert in alerts})
    duration = clock_time(result.seconds)
    stopped = Note(f"This report covers the first {duration} of the recording.", title="Stopped early.", stop=True)
    timeline = Figure(
        name="timeline",
        title="",
        caption="Passages with a candidate over time, one row a subject, above the number of faces in view",
        light=timeline_figure(alerts, facts.counts, result.seconds, dark=False),
        dark=timeline_figure(alerts, facts.counts, result.seconds, dark=True),
        media_type="image/svg+xml",
    )
    cards = tuple(_card(alert, facts) for alert in alerts)
    return Report(
        kind="facematch · video report",
        title=facts.recording,
        meta=" · ".join(_meta(facts)),
        notes=(_CANDIDATES, stopped) if result.interrupted else (_CANDIDATES,),
        tiles=(
            (str(len(alerts)), f"{_noun(len(alerts), 'alert')} to review"),
            (str(subjects), f"candidate {_noun(subjects, 'subject')}"),
            (f"{result.passages:,}", f"{_noun(result.passages, 'passage')} searched"),
            (duration, f"of video, {result.frames:,} frames"),
            (f"{facts.terms.threshold:.3f}", "threshold (cosine)"),
        ),
        sections=(
            Section("Timeline", (Figures((timeline,)),)),
            Section("Alerts", (Cards(cards, empty="No passage in this recording reached the threshold."),)),
            Section("How this was made", (Facts(tuple(_settings(facts))),)),
        ),
        closing=(_KEPT,),
        files=(("annotated video", "annotated.mp4"),),
        numbered=False,
        contents=False,
    )


def _meta(facts: ReportFacts) -> list[str]:
    parts = [] if facts.recorded_at is None else [f"Recorded {_moment(facts.recorded_at)}"]
    parts += [f"Processed {_moment(facts.processed_at)} by {facts.actor}", f"Purpose: {facts.terms.purpose}"]
    return parts if facts.terms.site is None else [*parts, f"Site: {facts.terms.site}"]


def _card(alert: Alert, facts: ReportFacts) -> Card:
    times = f"{clock_time(alert.start_s, tenths=True)} \N{EN DASH} {clock_time(alert.end_s, tenths=True)}"
    seconds = max(alert.end_s - alert.start_s, 0.0)
    seen = (
        f"Seen in {alert.frames} {_noun(alert.frames, 'frame')} over {seconds:.1f} s; "
        f"{alert.shots} {_noun(alert.shots, 'shot')} compared."
    )
    lines = [seen]
    if others := ", ".join(f"{each.subject_id} ({each.score:.3f})" for each in alert.candidates[1:]):
        lines.append(f"Also at or above the threshold: {others}.")
    return Card(
        title=alert.subject_id,
        subtitle=times if facts.recorded_at is None else f"{times} · {_moment(alert.started_at)}",
        picture=facts.thumbnails.get(alert.alert_id),
        alt="Best shot of the passage; other people are blurred",
        score=alert.score,
        threshold=alert.threshold,
        lines=tuple(lines),
        identifier=alert.alert_id,
    )


def _noun(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


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
