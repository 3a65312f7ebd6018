"""facematch: find consenting, enrolled people in pictures and recorded video; let nobody else leave a trace.

The public names load on first use, so that ``import facematch`` is quick and opens nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facematch.alerts import JsonLinesSink as JsonLinesSink
    from facematch.errors import FacematchError as FacematchError
    from facematch.errors import PictureRefusal as PictureRefusal
    from facematch.faces import FaceAnalyzer as FaceAnalyzer
    from facematch.governance import Consent as Consent
    from facematch.governance import ConsentState as ConsentState
    from facematch.settings import Settings as Settings
    from facematch.types import Alert as Alert
    from facematch.types import Box as Box
    from facematch.types import Candidate as Candidate
    from facematch.types import Enrolment as Enrolment
    from facematch.types import Erasure as Erasure
    from facematch.types import Face as Face
    from facematch.types import Identification as Identification
    from facematch.types import Probe as Probe
    from facematch.types import SubjectRecord as SubjectRecord
    from facematch.types import Verification as Verification
    from facematch.types import Withdrawal as Withdrawal
    from facematch.video import VideoPipeline as VideoPipeline
    from facematch.video import VideoResult as VideoResult
    from facematch.watchlist import Watchlist as Watchlist

__version__ = "0.1.0"

_HOMES = {
    "Alert": "facematch.types",
    "Box": "facematch.types",
    "Candidate": "facematch.types",
    "Consent": "facematch.governance",
    "ConsentState": "facematch.governance",
    "Enrolment": "facematch.types",
    "Erasure": "facematch.types",
    "Face": "facematch.types",
    "FaceAnalyzer": "facematch.faces",
    "FacematchError": "facematch.errors",
    "Identification": "facematch.types",
    "JsonLinesSink": "facematch.alerts",
    "PictureRefusal": "facematch.errors",
    "Probe": "facematch.types",
    "Settings": "facematch.settings",
    "SubjectRecord": "facematch.types",
    "Verification": "facematch.types",
    "VideoPipeline": "facematch.video",
    "VideoResult": "facematch.video",
    "Watchlist": "facematch.watchlist",
    "Withdrawal": "facematch.types",
}

__all__ = [
    "Alert",
    "Box",
    "Candidate",
    "Consent",
    "ConsentState",
    "Enrolment",
    "Erasure",
    "Face",
    "FaceAnalyzer",
    "FacematchError",
    "Identification",
    "JsonLinesSink",
    "PictureRefusal",
    "Probe",
    "Settings",
    "SubjectRecord",
    "Verification",
    "VideoPipeline",
    "VideoResult",
    "Watchlist",
    "Withdrawal",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'facematch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOMES))
