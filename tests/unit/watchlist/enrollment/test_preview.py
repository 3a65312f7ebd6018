"""Quality gate, look-alikes and preview, with real pictures and the real default pack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from facematch.errors import EnrollmentRefused, PurposeRequired, QualityTooLow
from facematch.faces import FaceAnalyzer
from facematch.testing import synthetic_consent
from facematch.types import Image, QualityGate
from facematch.watchlist import Watchlist

PURPOSE = "site-access"


@pytest.fixture
def watchlist(tmp_path: Path, analyzer: FaceAnalyzer) -> Iterator[Watchlist]:
    with Watchlist.open(f"sqlite:///{tmp_path / 'w.db'}", actor="ana", analyzer=analyzer) as opened:
        yield opened


def blurred(picture: Image) -> Image:
    return cv2.GaussianBlur(picture, (0, 0), 5).astype(np.uint8)


def test_the_gate_names_the_failing_components(watchlist: Watchlist, astronaut: Image) -> None:
    consent = synthetic_consent("s-1", purposes=[PURPOSE])
    with pytest.raises(QualityTooLow) as caught:
        watchlist.enroll("s-1", [blurred(astronaut)], consent=consent)
    assert caught.value.code == "quality_too_low"
    assert [refusal.code for refusal in caught.value.refusals] == ["quality_too_low"]
    assert "sharpness" in caught.value.refusals[0].message
    assert watchlist.subjects.count_templates().templates == 0
    result = watchlist.enroll("s-1", [blurred(astronaut), astronaut], consent=consent)
    assert len(result.template_ids) == 1
    assert [refusal.code for refusal in result.refusals] == ["quality_too_low"]


def test_a_mixed_refusal_is_no_quality_error(watchlist: Watchlist, astronaut: Image, group: Image) -> None:
    with pytest.raises(EnrollmentRefused) as caught:
        watchlist.enroll("s-1", [blurred(astronaut), group], consent=synthetic_consent("s-1", purposes=[PURPOSE]))
    assert caught.value.code == "enrollment_refused"


def test_the_gate_can_be_set(watchlist: Watchlist, astronaut: Image) -> None:
    gate = QualityGate(min_sharpness=0.0)
    consent = synthetic_consent("s-1", purposes=[PURPOSE])
    result = watchlist.enroll("s-1", [blurred(astronaut)], consent=consent, quality_gate=gate)
    assert len(result.template_ids) == 1


def test_enrollment_says_who_looks_alike(watchlist: Watchlist, astronaut: Image) -> None:
    watchlist.enroll("s-1", [astronaut], consent=synthetic_consent("s-1", purposes=[PURPOSE]))
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    again = watchlist.enroll("s-2", [mirrored], consent=synthetic_consent("s-2", purposes=[PURPOSE]))
    assert [candidate.subject_id for candidate in again.look_alikes] == ["s-1"]
    apart = watchlist.enroll("s-3", [mirrored], consent=synthetic_consent("s-3", purposes=["events"]))
    assert apart.look_alikes == ()  # no search could reach them together


def test_who_was_compared_on_enrollment_is_audited(watchlist: Watchlist, astronaut: Image) -> None:
    """Otherwise to enroll a stranger and erase them again would be a search that left no trace of its answer."""
    for subject, pixels in (("s-1", astronaut), ("s-2", np.ascontiguousarray(astronaut[:, ::-1]))):
        watchlist.enroll(subject, [pixels], consent=synthetic_consent(subject, purposes=[PURPOSE]))
    first, second = [entry for entry in watchlist.audit.entries() if entry.action == "enroll"]
    assert first.details["look_alikes"] == []
    assert second.details["look_alikes"] == [first.subject_ref]


def test_a_preview_tells_and_stores_nothing(watchlist: Watchlist, astronaut: Image, group: Image) -> None:
    watchlist.enroll("s-1", [astronaut], consent=synthetic_consent("s-1", purposes=[PURPOSE]))
    before = (
        watchlist.subjects.count_templates().templates,
        [record.subject_id for record in watchlist.subjects.list()],
    )
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    result = watchlist.preview_enrollment([mirrored, blurred(astronaut), group], purpose=PURPOSE)
    good, blurry, several = result.pictures
    assert good.refusal is None
    assert good.quality is not None
    assert good.quality.unified > 60
    assert [candidate.subject_id for candidate in good.look_alikes] == ["s-1"]
    assert blurry.refusal is not None
    assert blurry.refusal.code == "quality_too_low"
    assert blurry.quality is not None
    assert blurry.quality.unified < 20
    assert several.refusal is not None
    assert (several.refusal.code, several.quality) == ("several_faces", None)
    assert result.look_alikes is not None
    assert [candidate.subject_id for candidate in result.look_alikes] == ["s-1"]
    assert result.gallery_size == 1
    assert result.fpir_now is not None
    assert result.fpir_then is not None
    point = watchlist.analyzer.operating_point
    assert point is not None
    assert (result.fpir_now, result.fpir_then) == (point.planned_fpir(1), point.planned_fpir(2))
    assert 0 < result.fpir_now < result.fpir_then
    assert (
        watchlist.subjects.count_templates().templates,
        [record.subject_id for record in watchlist.subjects.list()],
    ) == before
    enrolled = next(entry for entry in watchlist.audit.entries() if entry.action == "enroll")
    (entry,) = [entry for entry in watchlist.audit.entries() if entry.action == "preview"]
    assert entry.details["look_alikes"] == [enrolled.subject_ref]


def test_without_a_purpose_nobody_is_searched(watchlist: Watchlist, astronaut: Image) -> None:
    """A preview must not be a way to identify somebody without a purpose."""
    watchlist.enroll("s-1", [astronaut], consent=synthetic_consent("s-1", purposes=[PURPOSE]))
    result = watchlist.preview_enrollment([astronaut])
    assert result.look_alikes is None
    assert result.pictures[0].look_alikes == ()
    assert result.gallery_size == 1
    assert watchlist.preview_enrollment([astronaut], purpose="events").look_alikes == ()
    with pytest.raises(PurposeRequired):
        watchlist.preview_enrollment([astronaut], purpose=" ")
