"""Recorded video: from frames to passages, from passages to alerts.

Needs the extra ``video`` (``pip install 'facematch-watchlist[video]'``) when it is used, not when it is imported.
"""

from facematch.video.pipeline import VideoPipeline
from facematch.video.result import VideoResult
from facematch.video.sources import FileSource, Frame

__all__ = ["FileSource", "Frame", "VideoPipeline", "VideoResult"]
