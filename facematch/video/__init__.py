"""Recorded video: from frames to passages, from passages to alerts.

Needs the extra ``video`` (``pip install 'facematch-watchlist[video]'``) when it is used, not when it is imported.
"""

from facematch.video.recording.pipeline import VideoPipeline
from facematch.video.recording.result import VideoResult
from facematch.video.sources.file import FileSource, Frame

__all__ = ["FileSource", "Frame", "VideoPipeline", "VideoResult"]
