"""``facematch video``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

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
    UseOption,
    ZoneOption,
    load_analyzer,
    open_watchlist,
)
from facematch.cli.output import ExitCode, console, print_json, print_table, progress_bar
from facematch.errors import InvalidArgument

if TYPE_CHECKING:
    from facematch.types import Box

__all__ = ["video"]


def video(
    recording: Annotated[str, typer.Argument(metavar="VIDEO", help="A file, or a URL of a registered source.")],
    purpose: Purpose = None,
    site: Site = None,
    zone: ZoneOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for annotated.mp4, alerts.jsonl, report.html.")
    ] = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Look for faces in every n-th frame.")] = 1,
    min_frames: Annotated[
        int,
        typer.Option("--min-frames", min=1, help="Frames a passage needs; the policy may ask for more."),
    ] = 3,
    min_seconds: Annotated[
        float, typer.Option("--min-seconds", min=0.0, help="Seconds from a passage's first to its last such frame.")
    ] = 0.0,
    smallest_face: SmallestFace = None,
    area: Annotated[
        list[str] | None,
        typer.Option(
            "--area",
            metavar="X1,Y1,X2,Y2",
            help="Look for faces in this part of the view only, fractions of its width and height; may be repeated. "
            "The rest of the annotated video is black.",
        ),
    ] = None,
    threshold: ThresholdOption = None,
    *,
    access: Access,
    pack: PackName = "opencv",
    use: UseOption = None,
    memory_budget: MemoryBudget = None,
    as_json: AsJson = False,
) -> int:
    """Look for enrolled subjects in a recording; everyone else is blurred.

    Ctrl-C ends cleanly: the files then cover what was processed until then.

    Example: `facematch video lobby.mp4 --purpose site-access --site store-12 --out lobby/`
    """
    from facematch.video import VideoPipeline, display_name

    name = display_name(recording)
    areas = [_area(text) for text in area or ()]
    analyzer = load_analyzer(pack, use, smallest_face=smallest_face)
    with (
        open_watchlist(access, analyzer=analyzer, memory_budget=memory_budget) as watchlist,
        VideoPipeline(
            watchlist,
            purpose=purpose or "",
            site=site,
            zone=zone,
            threshold=threshold,
            min_frames=min_frames,
            min_seconds=min_seconds,
            every=every,
            areas=areas,
        ) as pipeline,
        _stop_on_interrupt() as stop,
        progress_bar(f"processing {name}") as progress,
    ):
        result = pipeline.process(recording, out, progress=progress, stop=stop)
    if as_json:
        print_json(result.to_dict())
    else:
        rows = [
            (alert.subject_id, f"{alert.score:.3f}", f"{alert.start_s:.1f} - {alert.end_s:.1f} s", alert.frames)
            for alert in result.alerts
        ]
        print_table(f"Alerts in {name}", ("candidate", "score", "when", "frames"), rows)
        console().print(
            f"{result.frames} frames, {result.passages} passages, {result.fps_processed:.1f} frames a second"
            + (f", {result.broken_frames} broken frames" if result.broken_frames else "")
        )
        for note in result.notes:
            console().print(f"note: {note}", markup=False)
        for path in (result.annotated_video, result.report, result.alerts_file):
            if path is not None:
                console().print(str(path), markup=False)
    if result.interrupted:
        console(stderr=True).print("interrupted: the results cover what was processed until then")
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _area(text: str) -> Box:
    from facematch.types import Box

    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError:
        raise InvalidArgument(f"an area is four numbers, got {text!r}", hint="for example 0.25,0.1,0.75,1") from None
    return Box(x1, y1, x2, y2)


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM, as a service manager sends) sets; the second interrupts at once."""
    stop = threading.Event()

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {kind: signal.signal(kind, on_interrupt) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
