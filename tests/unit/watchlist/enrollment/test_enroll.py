from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facematch.errors import (
    ConsentInvalid,
    ConsentRequired,
    ContractMismatch,
    EnrollmentRefused,
    InvalidArgument,
)
from facematch.governance import Consent, ConsentState
from facematch.testing import FakeAnalyzer, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.types import Box, ImageSource, QualityGate
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture

DAY = timedelta(days=1)


class _NoPictures(FakeAnalyzer):
    def detect(self, images: Any) -> Any:
        raise AssertionError("a picture was analyzed")

    analyze = detect


def test_enrolling_without_consent_stores_nothing_and_looks_at_no_picture(tmp_path: Path) -> None:
    with open_bench(tmp_path / "a.db", analyzer=_NoPictures()) as bench:
        with pytest.raises(ConsentRequired) as caught:
            bench.watchlist.enroll("s", "/nowhere/a.jpg")
        assert "Consent.given" in (caught.value.hint or "")
        assert bench.watchlist.subjects.list() == ()
        assert bench.watchlist.subjects.count_templates().templates == 0
        assert bench.watchlist.audit.entries(limit=3)[0].outcome == "refused"


def test_an_enrollment_says_what_it_stored(bench: Bench) -> None:
    consent = bench.consent("s")
    result = bench.watchlist.enroll("s", [picture(1), picture(1, 2)], consent=consent)
    assert result.subject_id == "s"
    assert len(result.template_ids) == 2
    assert result.refusals == ()
    assert result.consent_record_id == consent.record_id
    assert result.valid_until == consent.valid_until
    assert (
        bench.watchlist.subjects.count_templates().templates
        == bench.watchlist.subjects.count_templates("s").templates
        == 2
    )
    assert bench.watchlist.consents.list("s") == (consent,)


@pytest.mark.parametrize("shift", [-DAY, 365 * DAY, 400 * DAY])
def test_a_record_that_has_not_begun_or_has_ended_is_no_consent(bench: Bench, shift: timedelta) -> None:
    consent = bench.consent("s")
    bench.clock.advance(shift)
    with pytest.raises(ConsentRequired, match="not in force"):
        bench.watchlist.enroll("s", picture(1), consent=consent)
    assert bench.watchlist.subjects.count_templates().templates == 0


@pytest.mark.parametrize("state", [ConsentState.WITHDRAWN, ConsentState.REVOKED, ConsentState.INVALIDATED])
def test_a_record_that_was_ended_is_no_consent(bench: Bench, state: ConsentState) -> None:
    consent = bench.consent("s").transition(state, actor="ana", time=bench.clock.now)
    with pytest.raises(ConsentRequired, match=state.value):
        bench.watchlist.enroll("s", picture(1), consent=consent)


def test_a_record_of_somebody_else_is_refused(bench: Bench) -> None:
    with pytest.raises(ConsentInvalid, match="another subject"):
        bench.watchlist.enroll("s", picture(1), consent=bench.consent("t"))


@pytest.mark.parametrize("consent", ["yes", True, {"state": "GIVEN"}])
def test_what_is_no_record_is_refused(bench: Bench, consent: Any) -> None:
    with pytest.raises(ConsentInvalid, match=r"must be a Consent"):
        bench.watchlist.enroll("s", picture(1), consent=consent)


def test_a_copy_made_past_the_validation_is_refused(bench: Bench) -> None:
    forged = bench.consent("s").model_copy(update={"adult_attested": False})
    with pytest.raises(ConsentInvalid, match="adult_attested"):
        bench.watchlist.enroll("s", picture(1), consent=forged)
    forged = bench.consent("s").model_copy(update={"purposes": "all"})
    with pytest.raises(ConsentInvalid):
        bench.watchlist.enroll("s", picture(1), consent=forged)


def test_later_pictures_stand_on_the_filed_record(bench: Bench) -> None:
    consent = bench.enroll("s", 1)
    result = bench.watchlist.enroll("s", picture(1, 3))
    assert result.consent_record_id == consent.record_id
    assert bench.watchlist.enroll("s", picture(1, 4), consent=consent).consent_record_id == consent.record_id
    assert len(bench.watchlist.consents.list("s")) == 1


def test_later_pictures_need_a_record_that_is_still_in_force(bench: Bench) -> None:
    bench.enroll("s", 1, valid_for=DAY)
    bench.clock.advance(DAY)
    with pytest.raises(ConsentRequired):
        bench.watchlist.enroll("s", picture(1, 3))
    assert bench.watchlist.subjects.count_templates().templates == 1


def test_a_new_record_is_filed_beside_the_old_one_and_each_template_keeps_its_own(bench: Bench) -> None:
    bench.enroll("s", 1, valid_for=DAY)
    second = bench.enroll("s", 1, purposes=["events"], valid_for=30 * DAY)
    assert bench.found(1, purpose="events") == ["s"]
    assert bench.found(1) == ["s"]
    assert bench.watchlist.enroll("s", picture(1, 5)).consent_record_id == second.record_id
    bench.clock.advance(2 * DAY)
    assert bench.found(1) == []
    assert bench.found(1, purpose="events") == ["s"]


def test_a_different_record_under_a_filed_id_is_refused(bench: Bench) -> None:
    consent = bench.enroll("s", 1)
    wider = Consent.from_dict({**consent.to_dict(), "purposes": [PURPOSE, "marketing"]})
    with pytest.raises(ConsentInvalid, match="already filed"):
        bench.watchlist.enroll("s", picture(1, 2), consent=wider)
    stolen = Consent.from_dict({**consent.to_dict(), "subject_id": "t"})
    with pytest.raises(ConsentInvalid, match="already filed"):
        bench.watchlist.enroll("t", picture(2), consent=stolen)
    assert [s.subject_id for s in bench.watchlist.subjects.list()] == ["s"]


def test_after_a_withdrawal_only_a_new_record_enrolls_again(bench: Bench) -> None:
    consent = bench.enroll("s", 1)
    bench.watchlist.withdraw("s", reason="left")
    with pytest.raises(ConsentRequired):
        bench.watchlist.enroll("s", picture(1, 2))
    with pytest.raises(ConsentRequired, match="WITHDRAWN"):
        bench.watchlist.enroll("s", picture(1, 2), consent=consent)
    assert bench.found(1) == []
    bench.enroll("s", 1)
    assert bench.found(1) == ["s"]
    assert bench.watchlist.subjects.count_templates("s").templates == 2


def _file(path: Path, pixels: Any) -> Path:
    Image.fromarray(pixels[..., ::-1]).save(path)
    return path


def test_each_unusable_picture_is_refused_with_its_code_and_the_rest_is_used(bench: Bench, tmp_path: Path) -> None:
    good = _file(tmp_path / "good.png", picture(1))
    (tmp_path / "copy.png").write_bytes(good.read_bytes())
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:200])
    small = SyntheticFace(1, box=Box(10, 10, 40, 49.5))
    images: list[ImageSource] = [
        tmp_path / "empty.jpg",
        str(tmp_path / "text.jpg"),
        tmp_path / "cut.png",
        tmp_path / "missing.jpg",
        good,
        tmp_path / "copy.png",
        synthetic_picture([]),
        synthetic_picture([1, 2]),
        synthetic_picture([small]),
        synthetic_picture([SyntheticFace(1, detection_score=0.7)]),
        picture(1, 9),
    ]
    result = bench.watchlist.enroll("s", images, consent=bench.consent("s"))
    assert len(result.template_ids) == 2
    assert [(r.picture, r.code) for r in result.refusals] == [
        ("empty.jpg", "image_empty"),
        ("text.jpg", "image_not_an_image"),
        ("cut.png", "image_truncated"),
        ("missing.jpg", "image_not_found"),
        ("copy.png", "duplicate_picture"),
        ("picture 7", "no_face"),
        ("picture 8", "several_faces"),
        ("picture 9", "face_too_small"),
        ("picture 10", "detection_score_too_low"),
    ]
    assert all(refusal.message and refusal.hint for refusal in result.refusals)


def test_when_no_picture_can_be_used_nothing_is_stored_and_the_refusal_is_audited(bench: Bench) -> None:
    with pytest.raises(EnrollmentRefused) as caught:
        bench.watchlist.enroll("s", [synthetic_picture([]), synthetic_picture([1, 2])], consent=bench.consent("s"))
    assert [r.code for r in caught.value.refusals] == ["no_face", "several_faces"]
    entry = bench.last()
    assert (entry.action, entry.outcome) == ("enroll", "refused")
    assert entry.details == {"code": "enrollment_refused", "pictures": 2, "refusals": ["no_face", "several_faces"]}
    assert bench.watchlist.subjects.list() == ()
    assert bench.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE).generation == 0


def test_a_picture_stands_once_on_a_record(bench: Bench) -> None:
    bench.enroll("s", 1)
    with pytest.raises(EnrollmentRefused) as caught:
        bench.watchlist.enroll("s", [picture(1), picture(1)])
    assert [r.code for r in caught.value.refusals] == ["enrolled_already"] * 2
    bench.enroll("t", 1)
    bench.enroll("s", 1)
    assert bench.watchlist.subjects.count_templates().templates == 3


def test_the_gates_can_be_moved(bench: Bench) -> None:
    weak = synthetic_picture([SyntheticFace(1, box=Box(0, 0, 30, 30), detection_score=0.5)])
    result = bench.watchlist.enroll(
        "s",
        weak,
        consent=bench.consent("s"),
        quality_gate=QualityGate(min_face_height_px=30, min_detection_score=0.5),
    )
    assert len(result.template_ids) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"min_face_height_px": -1},
        {"min_face_height_px": float("nan")},
        {"min_detection_score": 1.1},
        {"min_detection_score": "0.5"},
        {"min_face_height_px": True},
    ],
)
def test_bad_gates_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        QualityGate(**options)


@pytest.mark.parametrize("images", [[], (), None, 3, {}])
def test_no_picture_is_refused(bench: Bench, images: Any) -> None:
    with pytest.raises(InvalidArgument, match="images"):
        bench.watchlist.enroll("s", images, consent=bench.consent("s"))


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "bytearray", "memoryview", "array"])
def test_one_picture_of_any_kind_is_one_picture(bench: Bench, tmp_path: Path, kind: str) -> None:
    path = _file(tmp_path / "a.png", picture(1))
    data = path.read_bytes()
    image: Any = {
        "path": path,
        "text": str(path),
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "array": picture(1),
    }[kind]
    assert len(bench.watchlist.enroll("s", image, consent=bench.consent("s")).template_ids) == 1


@pytest.mark.parametrize("subject_id", ["", " s", "s\n", "\ud800", "x" * 200, None, 3])
def test_bad_subject_ids_are_refused(bench: Bench, subject_id: Any) -> None:
    with pytest.raises(InvalidArgument, match="subject_id"):
        bench.watchlist.enroll(subject_id, picture(1), consent=synthetic_consent("s"))
    assert bench.last().outcome == "refused"


def test_another_embedding_contract_is_refused(bench: Bench) -> None:
    bench.enroll("s", 1)
    with pytest.raises(ContractMismatch), open_bench(bench.path, analyzer=FakeAnalyzer(name="other")):
        pass


def test_another_contract_that_came_in_meanwhile_is_refused_too(bench: Bench) -> None:
    with open_bench(bench.path, analyzer=FakeAnalyzer(name="other"), clock=bench.clock) as other:
        bench.enroll("s", 1)
        with pytest.raises(ContractMismatch) as caught:
            other.enroll("t", 2)
        assert "fake" in caught.value.message
        with pytest.raises(ContractMismatch):
            other.found(1)
    assert [s.subject_id for s in bench.watchlist.subjects.list()] == ["s"]


class _Broken(FakeAnalyzer):
    def embed(self, crops: Any) -> Any:
        vectors = super().embed(crops)
        vectors[:, 0] = np.nan
        return vectors


class _Long(FakeAnalyzer):
    def embed(self, crops: Any) -> Any:
        return super().embed(crops) * 2


@pytest.mark.parametrize("analyzer", [_Broken(), _Long()])
def test_embeddings_that_are_not_unit_vectors_are_never_stored(tmp_path: Path, analyzer: FakeAnalyzer) -> None:
    with open_bench(tmp_path / "a.db", analyzer=analyzer) as bench:
        with pytest.raises(InvalidArgument, match="unit length"):
            bench.enroll("s", 1)
        assert bench.watchlist.subjects.count_templates().templates == 0


def test_bystanders_in_a_refused_picture_are_not_embedded(tmp_path: Path) -> None:
    embedded: list[int] = []

    class Counting(FakeAnalyzer):
        def embed(self, crops: Any) -> Any:
            embedded.append(len(crops))
            return super().embed(crops)

    with open_bench(tmp_path / "a.db", analyzer=Counting()) as bench:
        bench.watchlist.enroll("s", [synthetic_picture([1, 2, 3]), picture(1)], consent=bench.consent("s"))
    assert embedded == [1]


def test_many_pictures_keep_their_order(bench: Bench) -> None:
    images: list[ImageSource] = [picture(1, n) if n % 3 else synthetic_picture([], shade=n) for n in range(1, 25)]
    result = bench.watchlist.enroll("s", images, consent=bench.consent("s"))
    assert [r.picture for r in result.refusals] == [f"picture {n}" for n in range(3, 25, 3)]
    assert len(result.template_ids) == 16


def test_bytes_are_hashed_as_the_file_they_are(bench: Bench, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(picture(1)[..., ::-1]).save(stream, "PNG")
    (tmp_path / "a.png").write_bytes(stream.getvalue())
    result = bench.watchlist.enroll("s", [tmp_path / "a.png", stream.getvalue()], consent=bench.consent("s"))
    assert [r.code for r in result.refusals] == ["duplicate_picture"]


def test_a_withdrawal_during_the_analysis_stops_the_enrollment(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_bench(path) as first:
        first.enroll("s", 1)

        class Slow(FakeAnalyzer):
            def detect(self, images: Any) -> Any:
                Watchlist.withdraw(first.watchlist, "s", reason="left meanwhile")
                return super().detect(images)

        with open_bench(path, analyzer=Slow(), clock=first.clock) as second, pytest.raises(ConsentRequired):
            second.watchlist.enroll("s", picture(1, 2))
        assert first.watchlist.subjects.count_templates("s").templates == 1
