"""Recorded video: from frames to passages, from passages to alerts.

Needs the extra ``video`` (``pip install 'facematch-watchlist[video]'``) when it is used, not when it is imported.
"""

from facematch.protocols import FrameSource
from facematch.types import Frame
from facematch.video.recording.pipeline import VideoPipeline
from facematch.video.recording.result import VideoResult
from facematch.video.sources.address import display_name
from facematch.video.sources.file import FileSource
from facematch.video.sources.opening import open_source
from facematch.video.sources.recorded import RecordedSource

__all__ = [
    "FileSource",
    "Frame",
    "FrameSource",
    "RecordedSource",
    "VideoPipeline",
    "VideoResult",
    "display_name",
    "open_source",
]
