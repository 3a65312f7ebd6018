"""Recorded video against a watchlist: passages in, alerts, annotated video and report out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from facematch.alerts import JsonLinesSink
from facematch.alerts.decision import AlertOrigin, decide_alert
from facematch.errors import PurposeRequired, VideoError, VideoWriteError
from facematch.governance import to_utc, utc_now
from facematch.governance.names import check_name
from facematch.protocols import AlertSink, Clock, FaceSearch, FrameSource, Progress
from facematch.types import Alert, Box, Frame, SearchTerms
from facematch.video.passages.detector import Analysis, Passage
from facematch.video.passages.fusion import SHOTS
from facematch.video.passages.regions_of_interest import Areas
from facematch.video.passages.settings import PassageSettings, check_count
from facematch.video.recording.annotate import render
from facematch.video.recording.outputs import Outputs, writable_folder
from facematch.video.recording.report import ReportFacts, write_report
from facematch.video.recording.result import VideoResult
from facematch.video.recording.timeline import Decision, Timeline
from facematch.video.sources.address import public_address
from facematch.video.sources.opening import Video, open_source
from facematch.video.sources.recorded import RecordedSource

__all__ = ["VideoPipeline"]

_log = logging.getLogger(__name__)

_FILES = ("annotated.mp4", "alerts.jsonl", "report.html")


@dataclass(slots=True)
class _Pass:
    """The state of one pass over a source of frames."""

    source: FrameSource
    name: str
    origin: AlertOrigin
    terms: SearchTerms
    timeline: Timeline | None
    frames: int = 0
    last_s: float = 0.0
    passages: int = 0
    refused_alerts: int = 0
    interrupted: bool = False
    alerts: list[Alert] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def recording(self) -> RecordedSource | None:
        return self.source if isinstance(self.source, RecordedSource) else None

    @property
    def broken_frames(self) -> int:
        return 0 if self.recording is None else self.recording.broken_frames

    @property
    def seconds(self) -> float:
        return self.last_s + 1.0 / self.source.average_rate if self.frames else 0.0


class VideoPipeline:
    """Looks for enrolled subjects in recorded video: detect, track, fuse each passage, search it once.

    One alert a passage, not one a frame. A passage without a candidate leaves nothing behind: its crops and its
    embedding are dropped as soon as the search has answered.

    Args:
        watchlist: What to search; every search is audited there.
        purpose: The purpose of the search; only references whose consent names it are compared.
        site: The site of the search, or ``None``.
        zone: The camera zone of the site, which must be open.
        threshold: A raw cosine to apply instead of the tested one; may be higher, never lower.
        min_frames: A passage needs at least so many frames in which the face was detected; the policy in force may ask
            for more before there is an alert (rule ``corroboration``).
        min_seconds: A passage's first and last detection lie at least so far apart, in seconds, 0 or more.
        every: Look for faces in every n-th frame only; 1 looks at all.
        camera: Name of the camera for the alerts; by default the source's name, without credentials.
        shots: Most shots of a passage that are fused into its template.
        batch: Frames in which faces are looked for at once, at least 1.
        blur: Redact all people who are not candidates in the annotated video.
        areas: Parts of the view in which faces are looked for, as fractions of its width and height; none: everywhere.
            What lies outside of them all is black in the annotated video, unless ``blur`` is off. Make them larger than
            the faces in them: one that is cut off is missed.
        clock: The present moment; dates the alerts of recordings that carry no recording time.

    Raises:
        PurposeRequired: The purpose is empty.
        InvalidArgument: A number is out of range, an area leaves the view, or the camera's name is no name.
    """

    def __init__(
        self,
        watchlist: FaceSearch,
        *,
        purpose: str,
        site: str | None = None,
        zone: str | None = None,
        threshold: float | None = None,
        min_frames: int = 3,
        min_seconds: float = 0.0,
        every: int = 1,
        camera: str | None = None,
        shots: int = SHOTS,
        batch: int = 4,
        blur: bool = True,
        areas: Sequence[Box] = (),
        clock: Clock | None = None,
    ) -> None:
        check_count("batch", batch)
        self._watchlist = watchlist
        self._purpose = _checked_purpose(purpose)
        self._site = site
        self._zone = zone
        self._threshold = threshold
        self._settings = PassageSettings(min_frames=min_frames, min_seconds=min_seconds, every=every, shots=shots)
        self._camera = None if camera is None else check_name(camera, "camera")
        self._batch = batch
        self._blur = blur
        self._areas = Areas(areas)
        self._clock: Clock = clock or utc_now
        self._closed = False

    def run(self, video: Video) -> Iterator[Alert]:
        """Alerts of a video, each as soon as its passage has ended.

        Args:
            video: The path of a recording, a URL with a registered scheme, or an opened source.

        Yields:
            One alert for each passage with a candidate on which the policy permits one.

        Raises:
            SourceUnknown: No registered source reads the video.
            VideoUnreadable: The recording cannot be read.
            VideoError: The pipeline was closed.
            FacematchError: Whatever the watchlist refuses, such as a threshold below the tested one.
        """
        work = self._begin(video, timeline=None)
        for decision in self._analyze(work):
            yield decision.alert

    def process(
        self,
        video: Video,
        out: str | PathLike[str] | None = None,
        *,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        sinks: Sequence[AlertSink] = (),
    ) -> VideoResult:
        """Process a recording; with ``out``, also write ``annotated.mp4``, ``alerts.jsonl`` and ``report.html``.

        The recording is read twice: first every passage is found and decided, then the video is drawn. Files appear in
        ``out`` when all of them are complete, and replace older ones of the same name; a failure leaves none.

        Args:
            video: The path of a recording, a URL with a registered scheme, or an opened source; with ``out``, one that
                can be read twice.
            out: Folder for the files, made if need be; ``None`` writes none.
            progress: Called with frames done and to do; with ``out`` both passes are counted.
            stop: Set it (from a signal handler or another thread) to end cleanly: the passages so far are decided and
                the files cover the frames processed until then.
            sinks: Receive each alert when its passage ends; they are not closed.

        Raises:
            SourceUnknown: No registered source reads the video.
            VideoUnreadable: The recording cannot be read.
            VideoWriteError: The files cannot be written.
            VideoError: The pipeline was closed, or ``out`` is given for a source that is no recording.
            FacematchError: Whatever the watchlist refuses, such as a threshold below the tested one.
        """
        began = time.perf_counter()
        work = self._begin(video, timeline=None if out is None else Timeline(every=self._settings.every))
        recording = work.recording
        if out is not None and recording is None:
            raise VideoError(
                f"{work.name} is no recording: it cannot be read a second time, to draw what was found",
                hint="leave out the folder, or record the video first",
            )
        folder = None if out is None else writable_folder(Path(out))
        if folder is not None and recording is not None:
            _check_not_replaced(work.name, recording, folder)
        estimate = None if recording is None else recording.estimated_frames
        total = estimate if folder is None or estimate is None else 2 * estimate
        _log.info("recording is read", extra={"video": work.name, "frames_announced": estimate})
        for decision in self._analyze(work, stop=stop, progress=progress, total=total):
            for sink in sinks:
                sink.emit(decision.alert)
        if folder is None or recording is None:
            return self._result(work, time.perf_counter() - began)
        return self._write(work, recording, folder, began, progress=progress, stop=stop)

    def _begin(self, video: Video, timeline: Timeline | None) -> _Pass:
        if self._closed:
            raise VideoError("the pipeline is closed", hint="run it inside its `with` block")
        source = open_source(video)
        # refuses a bad purpose, site or threshold now, not minutes later
        terms = self._watchlist.search_terms(
            purpose=self._purpose, site=self._site, zone=self._zone, threshold=self._threshold
        )
        name = public_address(source.name)
        started_at = source.recorded_at if isinstance(source, RecordedSource) else None
        origin = AlertOrigin(self._camera or name, started_at or self._now())
        return _Pass(source, name, origin, terms, timeline, notes=dict.fromkeys(terms.notes))

    def _now(self) -> datetime:
        return to_utc(self._clock(), "the clock's time")

    def _analyze(
        self,
        work: _Pass,
        *,
        stop: threading.Event | None = None,
        progress: Progress | None = None,
        total: int | None = None,
    ) -> Iterator[Decision]:
        analysis = Analysis(
            self._watchlist.analyzer,
            rate=work.source.average_rate,
            settings=self._settings,
            areas=self._areas,
            observer=work.timeline,
        )
        for frames in self._batches(work, stop):
            for passages in analysis.step(frames):
                yield from self._decide(work, passages)
            work.frames, work.last_s = work.frames + len(frames), frames[-1].time_s
            if progress is not None:
                progress(work.frames, total)
        for passages in analysis.end():
            yield from self._decide(work, passages)

    def _batches(self, work: _Pass, stop: threading.Event | None) -> Iterator[list[Frame]]:
        pending: list[Frame] = []
        for frame in work.source:
            pending.append(frame)
            work.interrupted = stop is not None and stop.is_set()
            if work.interrupted:
                break
            if len(pending) >= self._batch * self._settings.every:
                yield pending
                pending = []
        if pending:
            yield pending

    def _decide(self, work: _Pass, passages: Sequence[Passage]) -> Iterator[Decision]:
        answer = self._watchlist.identify_faces(
            [passage.probe for passage in passages],
            purpose=self._purpose,
            site=self._site,
            zone=self._zone,
            threshold=self._threshold,
        )
        work.passages += len(passages)
        work.notes.update(dict.fromkeys(answer.notes))
        for passage, probe in zip(passages, answer.probes, strict=True):
            decided = decide_alert(self._watchlist, passage, probe, answer, work.origin)
            if decided.refusal is not None:
                work.refused_alerts += 1
                work.notes[f"the policy refused an alert on a passage with a candidate: {decided.refusal}"] = None
            if decided.alert is None:
                continue
            decision = Decision(decided.alert, passage.track, passage.first, passage.last, passage.best.frame)
            work.alerts.append(decided.alert)
            if work.timeline is not None:
                work.timeline.decisions.append(decision)
            yield decision

    def _write(
        self,
        work: _Pass,
        recording: RecordedSource,
        folder: Path,
        began: float,
        *,
        progress: Progress | None,
        stop: threading.Event | None,
    ) -> VideoResult:
        assert work.timeline is not None
        frames = work.frames

        def both(done: int, total: int | None) -> None:
            if progress is not None:
                progress(frames + done, None if total is None else frames + total)

        # stopped in the first pass: the video is drawn for what was processed; stopped here: it ends here
        drawing_stop = None if work.interrupted else stop
        with Outputs(folder, _FILES) as (video, alerts, report):
            rendering = render(
                recording,
                work.timeline,
                video,
                blur=self._blur,
                areas=self._areas,
                progress=both,
                stop=drawing_stop,
            )
            work.interrupted = work.interrupted or rendering.stopped
            with JsonLinesSink(alerts) as sink:
                for alert in work.alerts:
                    sink.emit(alert)
            result = self._result(work, time.perf_counter() - began, folder)
            facts = ReportFacts(
                result=result,
                terms=work.terms,
                recording=work.name,
                recorded_at=recording.recorded_at,
                processed_at=self._now(),
                actor=self._watchlist.actor,
                analyzer=self._watchlist.analyzer,
                blurred=self._blur,
                settings=self._settings,
                counts=tuple(work.timeline.counts),
                thumbnails=rendering.thumbnails,
            )
            write_report(facts, report)
        return result

    def _result(self, work: _Pass, wall_s: float, folder: Path | None = None) -> VideoResult:
        _log.info(
            "recording is done",
            extra={
                "video": work.name,
                "frames": work.frames,
                "passages": work.passages,
                "alerts": len(work.alerts),
                "interrupted": work.interrupted,
            },
        )
        return VideoResult(
            source=work.origin.source,
            frames=work.frames,
            seconds=work.seconds,
            fps_processed=work.frames / wall_s if wall_s > 0 else 0.0,
            passages=work.passages,
            alerts=tuple(work.alerts),
            broken_frames=work.broken_frames,
            interrupted=work.interrupted,
            refused_alerts=work.refused_alerts,
            notes=tuple(work.notes),
            annotated_video=None if folder is None else folder / "annotated.mp4",
            alerts_file=None if folder is None else folder / "alerts.jsonl",
            report=None if folder is None else folder / "report.html",
        )

    def close(self) -> None:
        """End the use of the pipeline; the watchlist stays open."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _checked_purpose(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PurposeRequired("a search needs a purpose, got none", hint="pass purpose='…', as in the consent records")
    return value


def _check_not_replaced(name: str, recording: RecordedSource, folder: Path) -> None:
    if any((folder / file).resolve() == recording.path.resolve() for file in _FILES):
        raise VideoWriteError(
            f"{name} is itself in {str(folder)!r} and would be replaced by the annotated video",
            hint="give another folder",
        )
