"""The second pass: the annotated video and the thumbnails of the report.

Drawing waits until every passage is decided, so that the first frames of a candidate's passage are drawn right and
no one else is ever shown, not even for the moments before a tracker or a search has made up its mind.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from facematch.errors import VideoWriteError
from facematch.imaging.draw import draw_box
from facematch.imaging.redact import redact
from facematch.protocols import Progress
from facematch.types import Box, Frame, Image
from facematch.video.passages.regions_of_interest import Areas
from facematch.video.recording.encoder import Encoder
from facematch.video.recording.timeline import Decision, Region, Timeline
from facematch.video.sources.recorded import RecordedSource

__all__ = ["Rendering", "render"]

_log = logging.getLogger(__name__)

_CONTEXT = 0.9
_THUMBNAIL_SIDE = 360
_SAME_TIME_S = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """Outcome of the second pass.

    Attributes:
        frames: Frames written.
        thumbnails: JPEG bytes by alert id; all but the candidate are redacted in them, whatever ``blur`` says.
        stopped: Whether it was stopped before the last frame of the timeline.
    """

    frames: int
    thumbnails: dict[str, bytes]
    stopped: bool


def render(
    source: RecordedSource,
    timeline: Timeline,
    path: Path,
    *,
    blur: bool = True,
    areas: Areas | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Rendering:
    """Write the annotated video for the frames of a timeline.

    Args:
        source: The recording that the timeline was made from.
        timeline: What was seen and decided.
        path: The MP4 file to write; size and time stamps are the source's, upright, without sound.
        blur: Redact all people who are not candidates.
        areas: Where faces were looked for; with ``blur``, what lies outside is black, since no face was sought there.
        progress: Called with frames written and to write.
        stop: When set, the video ends cleanly with the current frame.

    Raises:
        VideoWriteError: The file cannot be written.
        VideoUnreadable: The recording has become unreadable.
    """
    painter = _Painter(timeline, areas or Areas(), blur=blur)
    total = len(timeline.times)
    written = 0
    encoder: Encoder | None = None
    size = (0, 0)
    try:
        for frame, regions, time_s in zip(source, timeline.regions(), timeline.times, strict=False):
            in_step = abs(frame.time_s - time_s) <= _SAME_TIME_S
            image = painter.paint(frame, regions if in_step else None)
            if encoder is None:
                size = (image.shape[1], image.shape[0])
                encoder = Encoder(path, size, source.rate, sample_aspect_ratio=_pixel_aspect(source, size))
            encoder.write(_fitted(image, size), frame.time_s)
            written += 1
            if progress is not None:
                progress(written, total)
            if stop is not None and stop.is_set():
                break
        if encoder is None:
            raise VideoWriteError("there is no frame to write", hint="check that the recording is still there")
    except BaseException:
        if encoder is not None:
            encoder.abandon()
        raise
    encoder.finish()
    return Rendering(written, painter.thumbnails, stopped=written < total)


class _Painter:
    """Redacts and draws frame by frame, and takes the thumbnails on the way."""

    def __init__(self, timeline: Timeline, areas: Areas, *, blur: bool) -> None:
        self._blur = blur
        self._areas = areas
        self._best: dict[int, list[Decision]] = {}
        for decision in timeline.decisions:
            self._best.setdefault(decision.best_frame, []).append(decision)
        self.thumbnails: dict[str, bytes] = {}

    def paint(self, frame: Frame, regions: Sequence[Region] | None) -> Image:
        """The frame as it may be shown; ``None`` for the regions means that they cannot be trusted."""
        image = frame.pixels if frame.pixels.flags.writeable else frame.pixels.copy()
        if regions is None:
            # the recording does not decode as it did in the first pass
            _log.warning("frame out of step with the first pass; redacted whole", extra={"frame": frame.index})
            redact(image, [Box(0, 0, image.shape[1], image.shape[0])])
            return image
        best = self._best.get(frame.index, ())
        if best:
            clean = image.copy()
            self._areas.black_out(clean)
            _hide(clean, regions)
            self.thumbnails.update({d.alert.alert_id: _thumbnail(clean, d.alert.best_box) for d in best})
        if self._blur:
            self._areas.black_out(image)
            _hide(image, regions)
        for region in regions:
            if region.decision is not None:
                alert = region.decision.alert
                draw_box(image, region.box, f"{alert.subject_id} {alert.score:.2f}")
        return image


def _hide(image: Image, regions: Sequence[Region]) -> None:
    """Redact all but the candidates, in place.

    Where a person was only faintly detected, or is only supposed to be still there, the clearly detected face of a
    candidate comes first: hands and microphones in front of a face are often taken for faces. A clearly detected
    bystander comes before everything.
    """
    hidden = [region for region in regions if region.decision is None]
    height, width = image.shape[:2]
    shown = []
    for region in regions:
        if region.decision is not None and region.certain:
            x1, y1, x2, y2 = (round(v) for v in region.box.clipped(width, height).as_tuple())
            shown.append(((slice(y1, y2), slice(x1, x2)), image[y1:y2, x1:x2].copy()))
    redact(image, [region.box for region in hidden if not region.certain])
    for place, pixels in shown:
        image[place] = pixels
    redact(image, [region.box for region in hidden if region.certain])


def _fitted(image: Image, size: tuple[int, int]) -> Image:
    """The picture in the size of the first frame, for streams that change it on the way."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _pixel_aspect(source: RecordedSource, size: tuple[int, int]) -> Fraction | None:
    """The stored pixels' aspect ratio, turned with them."""
    ratio = source.sample_aspect_ratio
    return ratio if ratio is None or size == source.stored_size else 1 / ratio


def _thumbnail(image: Image, box: Box) -> bytes:
    height, width = image.shape[:2]
    side = max(box.width, box.height) * (1 + 2 * _CONTEXT)
    cx, cy = box.center
    view = Box(cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2).clipped(width, height)
    crop = image[math.floor(view.y1) : math.ceil(view.y2), math.floor(view.x1) : math.ceil(view.x2)]
    scale = _THUMBNAIL_SIDE / max(crop.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    enlarged = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=how)
    _, data = cv2.imencode(".jpg", enlarged, [cv2.IMWRITE_JPEG_QUALITY, 88])
    return data.tobytes()
