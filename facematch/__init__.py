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
    from facematch.governance.consent.receipts import ConsentReceipt as ConsentReceipt
    from facematch.governance.keys import CallableKeys as CallableKeys
    from facematch.governance.keys import FileKeys as FileKeys
    from facematch.governance.keys import StaticKeys as StaticKeys
    from facematch.governance.policy import Policy as Policy
    from facematch.governance.roles import Role as Role
    from facematch.governance.zones import Zone as Zone
    from facematch.settings import Settings as Settings
    from facematch.types import Alert as Alert
    from facematch.types import Box as Box
    from facematch.types import Candidate as Candidate
    from facematch.types import Enrollment as Enrollment
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
    "CallableKeys": "facematch.governance.keys",
    "Candidate": "facematch.types",
    "Consent": "facematch.governance",
    "ConsentReceipt": "facematch.governance.consent.receipts",
    "ConsentState": "facematch.governance",
    "Enrollment": "facematch.types",
    "Erasure": "facematch.types",
    "Face": "facematch.types",
    "FaceAnalyzer": "facematch.faces",
    "FacematchError": "facematch.errors",
    "FileKeys": "facematch.governance.keys",
    "Identification": "facematch.types",
    "JsonLinesSink": "facematch.alerts",
    "PictureRefusal": "facematch.errors",
    "Policy": "facematch.governance.policy",
    "Probe": "facematch.types",
    "Role": "facematch.governance.roles",
    "Settings": "facematch.settings",
    "StaticKeys": "facematch.governance.keys",
    "SubjectRecord": "facematch.types",
    "Verification": "facematch.types",
    "VideoPipeline": "facematch.video",
    "VideoResult": "facematch.video",
    "Watchlist": "facematch.watchlist",
    "Withdrawal": "facematch.types",
    "Zone": "facematch.governance.zones",
}

__all__ = [
    "Alert",
    "Box",
    "CallableKeys",
    "Candidate",
    "Consent",
    "ConsentReceipt",
    "ConsentState",
    "Enrollment",
    "Erasure",
    "Face",
    "FaceAnalyzer",
    "FacematchError",
    "FileKeys",
    "Identification",
    "JsonLinesSink",
    "PictureRefusal",
    "Policy",
    "Probe",
    "Role",
    "Settings",
    "StaticKeys",
    "SubjectRecord",
    "Verification",
    "VideoPipeline",
    "VideoResult",
    "Watchlist",
    "Withdrawal",
    "Zone",
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
