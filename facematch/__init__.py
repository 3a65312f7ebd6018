"""facematch: face watchlist of consenting, enrolled people in pictures and recorded video; no one else leaves a trace.

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
    from facematch.faces.quality_net import QualityNet as QualityNet
    from facematch.governance import Consent as Consent
    from facematch.governance import ConsentState as ConsentState
    from facematch.governance.audit import AuditAction as AuditAction
    from facematch.governance.audit import AuditEntry as AuditEntry
    from facematch.governance.audit import AuditOutcome as AuditOutcome
    from facematch.governance.audit import AuditVerification as AuditVerification
    from facematch.governance.audit import Checkpoint as Checkpoint
    from facematch.governance.audit import ConsistencyProof as ConsistencyProof
    from facematch.governance.audit import Finding as Finding
    from facematch.governance.audit import InclusionProof as InclusionProof
    from facematch.governance.certificates import verify_certificate as verify_certificate
    from facematch.governance.consent.fields import Particulars as Particulars
    from facematch.governance.consent.parts import ConsentEvent as ConsentEvent
    from facematch.governance.consent.parts import Controller as Controller
    from facematch.governance.consent.parts import PrivacyNotice as PrivacyNotice
    from facematch.governance.consent.receipts import ConsentReceipt as ConsentReceipt
    from facematch.governance.consent.receipts import verify_receipt as verify_receipt
    from facematch.governance.keys import CallableKeys as CallableKeys
    from facematch.governance.keys import FileKeys as FileKeys
    from facematch.governance.keys import StaticKeys as StaticKeys
    from facematch.governance.policy import Policy as Policy
    from facematch.governance.policy.versions import PolicyVersion as PolicyVersion
    from facematch.governance.reports import Statements as Statements
    from facematch.governance.roles import ActorRoles as ActorRoles
    from facematch.governance.roles import Role as Role
    from facematch.governance.suspensions import Lift as Lift
    from facematch.governance.suspensions import Suspension as Suspension
    from facematch.governance.zones import OpenZone as OpenZone
    from facematch.governance.zones import Zone as Zone
    from facematch.matching import Calibration as Calibration
    from facematch.models import Manifest as Manifest
    from facematch.models import Pack as Pack
    from facematch.models.sessions import SessionOptions as SessionOptions
    from facematch.protocols import AlertSink as AlertSink
    from facematch.protocols import Analyzer as Analyzer
    from facematch.protocols import Clock as Clock
    from facematch.protocols import Detector as Detector
    from facematch.protocols import Embedder as Embedder
    from facematch.protocols import FaceSearch as FaceSearch
    from facematch.protocols import FrameSource as FrameSource
    from facematch.protocols import KeyProvider as KeyProvider
    from facematch.protocols import Progress as Progress
    from facematch.protocols import VectorIndex as VectorIndex
    from facematch.settings import Settings as Settings
    from facematch.storage.audit_log import AuditLog as AuditLog
    from facematch.types import Alert as Alert
    from facematch.types import ApprovalDecision as ApprovalDecision
    from facematch.types import Box as Box
    from facematch.types import Candidate as Candidate
    from facematch.types import Complaint as Complaint
    from facematch.types import Disclosure as Disclosure
    from facematch.types import EmbeddingContract as EmbeddingContract
    from facematch.types import Enrollment as Enrollment
    from facematch.types import EnrollmentPreview as EnrollmentPreview
    from facematch.types import Erasure as Erasure
    from facematch.types import Face as Face
    from facematch.types import FaceQuality as FaceQuality
    from facematch.types import FiledConsent as FiledConsent
    from facematch.types import Frame as Frame
    from facematch.types import Identification as Identification
    from facematch.types import ImageSource as ImageSource
    from facematch.types import KeyStatus as KeyStatus
    from facematch.types import OperatingPoint as OperatingPoint
    from facematch.types import PendingEnrollment as PendingEnrollment
    from facematch.types import PicturePreview as PicturePreview
    from facematch.types import Probe as Probe
    from facematch.types import QualityGate as QualityGate
    from facematch.types import Restored as Restored
    from facematch.types import RetentionRun as RetentionRun
    from facematch.types import SearchTerms as SearchTerms
    from facematch.types import SubjectRecord as SubjectRecord
    from facematch.types import TemplateCount as TemplateCount
    from facematch.types import Verification as Verification
    from facematch.types import Withdrawal as Withdrawal
    from facematch.video import VideoPipeline as VideoPipeline
    from facematch.video import VideoResult as VideoResult
    from facematch.watchlist import Watchlist as Watchlist
    from facematch.watchlist.administration.policies import Policies as Policies
    from facematch.watchlist.administration.reports import Reports as Reports
    from facematch.watchlist.administration.roles import Actors as Actors
    from facematch.watchlist.administration.suspensions import Suspensions as Suspensions
    from facematch.watchlist.administration.zones import Zones as Zones
    from facematch.watchlist.consents.consents import Consents as Consents
    from facematch.watchlist.data_lifecycle.verify_erasure import ErasureCheck as ErasureCheck
    from facematch.watchlist.data_rights.rights import Rights as Rights
    from facematch.watchlist.enrollment.approvals import Approvals as Approvals
    from facematch.watchlist.keys import Keys as Keys
    from facematch.watchlist.subjects import Subjects as Subjects

__version__ = "0.1.0"

_HOMES = {
    "ActorRoles": "facematch.governance.roles",
    "Actors": "facematch.watchlist.administration.roles",
    "Alert": "facematch.types",
    "AlertSink": "facematch.protocols",
    "Analyzer": "facematch.protocols",
    "ApprovalDecision": "facematch.types",
    "Approvals": "facematch.watchlist.enrollment.approvals",
    "AuditAction": "facematch.governance.audit",
    "AuditEntry": "facematch.governance.audit",
    "AuditLog": "facematch.storage.audit_log",
    "AuditOutcome": "facematch.governance.audit",
    "AuditVerification": "facematch.governance.audit",
    "Box": "facematch.types",
    "Calibration": "facematch.matching",
    "CallableKeys": "facematch.governance.keys",
    "Candidate": "facematch.types",
    "Checkpoint": "facematch.governance.audit",
    "Clock": "facematch.protocols",
    "Complaint": "facematch.types",
    "Consent": "facematch.governance",
    "ConsentEvent": "facematch.governance.consent.parts",
    "ConsentReceipt": "facematch.governance.consent.receipts",
    "ConsentState": "facematch.governance",
    "Consents": "facematch.watchlist.consents.consents",
    "ConsistencyProof": "facematch.governance.audit",
    "Controller": "facematch.governance.consent.parts",
    "Detector": "facematch.protocols",
    "Disclosure": "facematch.types",
    "Embedder": "facematch.protocols",
    "EmbeddingContract": "facematch.types",
    "Enrollment": "facematch.types",
    "EnrollmentPreview": "facematch.types",
    "Erasure": "facematch.types",
    "ErasureCheck": "facematch.watchlist.data_lifecycle.verify_erasure",
    "Face": "facematch.types",
    "FaceAnalyzer": "facematch.faces",
    "FaceQuality": "facematch.types",
    "FaceSearch": "facematch.protocols",
    "FacematchError": "facematch.errors",
    "FileKeys": "facematch.governance.keys",
    "FiledConsent": "facematch.types",
    "Finding": "facematch.governance.audit",
    "Frame": "facematch.types",
    "FrameSource": "facematch.protocols",
    "Identification": "facematch.types",
    "ImageSource": "facematch.types",
    "InclusionProof": "facematch.governance.audit",
    "JsonLinesSink": "facematch.alerts",
    "KeyProvider": "facematch.protocols",
    "KeyStatus": "facematch.types",
    "Keys": "facematch.watchlist.keys",
    "Lift": "facematch.governance.suspensions",
    "Manifest": "facematch.models",
    "OpenZone": "facematch.governance.zones",
    "OperatingPoint": "facematch.types",
    "Pack": "facematch.models",
    "Particulars": "facematch.governance.consent.fields",
    "PendingEnrollment": "facematch.types",
    "PicturePreview": "facematch.types",
    "PictureRefusal": "facematch.errors",
    "Policies": "facematch.watchlist.administration.policies",
    "Policy": "facematch.governance.policy",
    "PolicyVersion": "facematch.governance.policy.versions",
    "PrivacyNotice": "facematch.governance.consent.parts",
    "Probe": "facematch.types",
    "Progress": "facematch.protocols",
    "QualityGate": "facematch.types",
    "QualityNet": "facematch.faces.quality_net",
    "Reports": "facematch.watchlist.administration.reports",
    "Restored": "facematch.types",
    "RetentionRun": "facematch.types",
    "Rights": "facematch.watchlist.data_rights.rights",
    "Role": "facematch.governance.roles",
    "SearchTerms": "facematch.types",
    "SessionOptions": "facematch.models.sessions",
    "Settings": "facematch.settings",
    "Statements": "facematch.governance.reports",
    "StaticKeys": "facematch.governance.keys",
    "SubjectRecord": "facematch.types",
    "Subjects": "facematch.watchlist.subjects",
    "Suspension": "facematch.governance.suspensions",
    "Suspensions": "facematch.watchlist.administration.suspensions",
    "TemplateCount": "facematch.types",
    "VectorIndex": "facematch.protocols",
    "Verification": "facematch.types",
    "VideoPipeline": "facematch.video",
    "VideoResult": "facematch.video",
    "Watchlist": "facematch.watchlist",
    "Withdrawal": "facematch.types",
    "Zone": "facematch.governance.zones",
    "Zones": "facematch.watchlist.administration.zones",
    "verify_certificate": "facematch.governance.certificates",
    "verify_receipt": "facematch.governance.consent.receipts",
}

__all__ = [
    "ActorRoles",
    "Actors",
    "Alert",
    "AlertSink",
    "Analyzer",
    "ApprovalDecision",
    "Approvals",
    "AuditAction",
    "AuditEntry",
    "AuditLog",
    "AuditOutcome",
    "AuditVerification",
    "Box",
    "Calibration",
    "CallableKeys",
    "Candidate",
    "Checkpoint",
    "Clock",
    "Complaint",
    "Consent",
    "ConsentEvent",
    "ConsentReceipt",
    "ConsentState",
    "Consents",
    "ConsistencyProof",
    "Controller",
    "Detector",
    "Disclosure",
    "Embedder",
    "EmbeddingContract",
    "Enrollment",
    "EnrollmentPreview",
    "Erasure",
    "ErasureCheck",
    "Face",
    "FaceAnalyzer",
    "FaceQuality",
    "FaceSearch",
    "FacematchError",
    "FileKeys",
    "FiledConsent",
    "Finding",
    "Frame",
    "FrameSource",
    "Identification",
    "ImageSource",
    "InclusionProof",
    "JsonLinesSink",
    "KeyProvider",
    "KeyStatus",
    "Keys",
    "Lift",
    "Manifest",
    "OpenZone",
    "OperatingPoint",
    "Pack",
    "Particulars",
    "PendingEnrollment",
    "PicturePreview",
    "PictureRefusal",
    "Policies",
    "Policy",
    "PolicyVersion",
    "PrivacyNotice",
    "Probe",
    "Progress",
    "QualityGate",
    "QualityNet",
    "Reports",
    "Restored",
    "RetentionRun",
    "Rights",
    "Role",
    "SearchTerms",
    "SessionOptions",
    "Settings",
    "Statements",
    "StaticKeys",
    "SubjectRecord",
    "Subjects",
    "Suspension",
    "Suspensions",
    "TemplateCount",
    "VectorIndex",
    "Verification",
    "VideoPipeline",
    "VideoResult",
    "Watchlist",
    "Withdrawal",
    "Zone",
    "Zones",
    "__version__",
    "verify_certificate",
    "verify_receipt",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'facematch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOMES))
