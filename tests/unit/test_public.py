"""The public surface: exported names, quick import without side effects, plug-in registry, error codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import facematch
from facematch import errors, registry
from facematch.errors import FacematchError, InvalidArgument

EXPORTED = [
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


def test_exported_names_are_these_and_all_load() -> None:
    assert facematch.__all__ == EXPORTED
    assert all(getattr(facematch, name) is not None for name in EXPORTED)
    assert set(EXPORTED) <= set(dir(facematch))


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Watchlst"):
        facematch.Watchlst  # noqa: B018


IMPORT_PROBE = """
import sys
before = set(sys.modules)
opened = []
sys.addaudithook(lambda event, args: opened.append((event, str(args[0]) if args else "")))
import facematch
watched = {"open", "socket.connect", "socket.bind", "os.mkdir", "subprocess.Popen", "os.remove"}
touched = [(e, a) for e, a in opened if e in watched and not a.endswith((".py", ".pyc"))]
import json
print(json.dumps({"modules": sorted(set(sys.modules) - before), "touched": touched}))
"""


def test_import_loads_nothing_heavy_and_touches_nothing(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_PROBE], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    seen = json.loads(result.stdout)
    roots = {name.split(".")[0] for name in seen["modules"]} - {"facematch"}
    assert roots <= set(sys.stdlib_module_names)
    assert [name for name in seen["modules"] if name.startswith("facematch")] == ["facematch"]
    assert seen["touched"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.alone
def test_import_is_quick_compared_with_numpy() -> None:
    """A ratio, not a time: importing facematch costs less than importing NumPy alone."""
    times = {}
    for module in ("facematch", "numpy"):
        out = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", f"import {module}"], capture_output=True, text=True, check=True
        ).stderr
        (line,) = [line for line in out.splitlines() if line.split("|")[-1].strip() == module]
        times[module] = int(line.split("|")[1])
    assert times["facematch"] < times["numpy"]


def leaves() -> list[type[FacematchError]]:
    values = list(vars(errors).values())
    return [value for value in values if isinstance(value, type) and issubclass(value, FacematchError)]


def test_every_error_has_a_code_of_its_own_that_the_tree_documents() -> None:
    classes = leaves()
    codes = [cls.code for cls in classes]
    assert len(codes) == len(set(codes))
    assert len(codes) > 35
    tree = errors.__doc__ or ""
    documented = dict(re.findall(r"[├└]─ (\w+) +(\w+) ", tree))
    assert {cls.__name__: cls.code for cls in classes if cls is not FacematchError} == documented


def test_errors_print_their_hint_and_serialize() -> None:
    error = InvalidArgument("expected 1, got 2", hint="pass 1")
    assert str(error) == "expected 1, got 2 (pass 1)"
    assert error.to_dict() == {"code": "invalid_argument", "message": "expected 1, got 2", "hint": "pass 1"}


def test_built_in_parts_are_registered_like_plug_ins() -> None:
    assert {"yunet", "insightface"} <= set(registry.available("facematch.detectors"))
    assert {"exact", "auto"} <= set(registry.available("facematch.indexes"))
    assert registry.load("facematch.sinks", "jsonl") is facematch.JsonLinesSink
    with pytest.raises(InvalidArgument, match="annoy") as caught:
        registry.load("facematch.indexes", "annoy")
    assert caught.value.hint is not None
    assert "auto" in caught.value.hint


def test_only_settings_reads_the_environment() -> None:
    package = Path(facematch.__file__).parent
    readers = [
        str(path.relative_to(package))
        for path in sorted(package.rglob("*.py"))
        if re.search(r"os\.environ|os\.getenv|\bgetenv\(", path.read_text("utf-8"))
    ]
    assert readers == ["settings.py"]
    assert "env_prefix" in (package / "settings.py").read_text("utf-8")
