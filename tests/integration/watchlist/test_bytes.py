"""Nothing about anybody lies in the clear: not in a file, not in a log, not in an error."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facematch.errors import FacematchError
from facematch.governance import Consent
from facematch.governance.policy import Policy
from facematch.testing import FakeAnalyzer, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.types import FloatArray
from facematch.watchlist import Watchlist

DIMENSION = 128
SUBJECTS = tuple(f"subject-unmistakable-{name}" for name in ("alpha", "bravo", "charlie", "delta"))
REASON = "reason-unmistakable-left-the-firm"
GROUND = "ground-unmistakable-it-is-my-twin"
OVERRIDE = "override-unmistakable-no-better-picture"
NOTICE = "urn:notice-unmistakable"
CONTROLLER = "controller-unmistakable"
STRANGER = 900
"""Nobody enrolled; as all people from ``DIMENSION`` on, with an embedding like noise."""


def _person(number: int) -> int:
    return DIMENSION + number


def _consent(subject: str) -> Consent:
    made = synthetic_consent(subject).to_dict()
    made["privacy_notice"]["uri"] = NOTICE
    return Consent.from_dict({**made, "controller": {"name": CONTROLLER, "contact": f"{CONTROLLER}@example.org"}})


def _forms(vector: FloatArray) -> Iterator[bytes]:
    """A vector as any part of it could lie in a file: four numbers in a row, in each usual type."""
    for kind in ("<f4", "<f2", "<f8", ">f4"):
        data = vector.astype(kind).tobytes()
        step = 4 * np.dtype(kind).itemsize
        yield from (data[start : start + step] for start in range(0, len(data) - step + 1, step))


class Watched(FakeAnalyzer):
    """Remembers every crop and vector that passed through it."""

    def __init__(self) -> None:
        super().__init__(dimension=DIMENSION)
        self.crops: list[bytes] = []
        self.vectors: list[FloatArray] = []

    def align(self, image: Any, faces: Any) -> Any:
        crops = super().align(image, faces)
        crops[:, 1:] = np.random.default_rng(len(self.crops)).integers(0, 256, crops[:, 1:].shape)
        self.crops += [crop[1:].tobytes() for crop in crops]
        return crops

    def embed(self, crops: Any) -> FloatArray:
        vectors = super().embed(crops)
        self.vectors += list(vectors)
        return vectors


@pytest.fixture
def analyzer() -> Watched:
    return Watched()


def _live(path: Path, analyzer: Watched) -> list[bytes]:
    """Everything that can happen to subjects and strangers; returns rotated vectors as they are stored inside."""
    stranger = synthetic_picture([SyntheticFace(STRANGER, 1)])
    with Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=analyzer) as watchlist:
        watchlist.actors.grant("bob", "owner")
        for number, subject in enumerate(SUBJECTS):
            pictures = [synthetic_picture([SyntheticFace(_person(number), variant)]) for variant in range(3)]
            watchlist.enroll(subject, pictures, consent=_consent(subject))
            for probe in (pictures[0], stranger):
                watchlist.identify(probe, purpose="site-access")
        watchlist.verify(SUBJECTS[0], stranger, purpose="site-access")
        watchlist.preview_enrollment(stranger, purpose="site-access")
        complaint = watchlist.rights.open_complaint(SUBJECTS[1], ground=GROUND).complaint_id
        watchlist.rights.decide_complaint(complaint, upheld=False)
        watchlist.withdraw(SUBJECTS[2], reason=REASON)
        rotated = [part for vector in watchlist._session.resources.snapshot().vectors() for part in _forms(vector)]
        watchlist.keys.rotate()
        watchlist.keys.renew_templates()
        rotated += [part for vector in watchlist._session.resources.snapshot().vectors() for part in _forms(vector)]
        watchlist.erase(SUBJECTS[3], reason=REASON)
        watchlist.identify(stranger, purpose="site-access")
        watchlist.backup(path.with_name("backup"), vault_copy=path.with_name("vault-copy"))
        _scan(path.parent, _needles(analyzer, rotated))  # while the write-ahead log is there
    return rotated


def _needles(analyzer: Watched, rotated: list[bytes]) -> dict[bytes, str]:
    needles = {text.encode(): text for text in (*SUBJECTS, REASON, GROUND, OVERRIDE, NOTICE, CONTROLLER)}
    needles |= {part: "a vector" for vector in analyzer.vectors for part in _forms(vector)}
    needles |= {crop[start : start + 24]: "a crop" for crop in analyzer.crops for start in range(0, len(crop) - 24, 24)}
    needles |= dict.fromkeys(rotated, "a rotated vector")
    return {needle: what for needle, what in needles.items() if needle.count(0) < len(needle) - 2}


def _scan(folder: Path, needles: dict[bytes, str]) -> set[str]:
    """Fail where a file holds a needle; returns the files that were looked at."""
    lengths = {len(needle) for needle in needles}
    names = set()
    for file in folder.iterdir():
        data = file.read_bytes()
        names.add(file.name)
        for length in lengths:
            windows = {data[start : start + length] for start in range(len(data) - length + 1)}
            found = {needles[needle] for needle in windows & needles.keys()}
            assert found == set(), f"{file.name} holds {found}"
    return names


def test_the_scan_finds_what_is_there(tmp_path: Path, analyzer: Watched) -> None:
    vector = analyzer.embedding(_person(0))
    analyzer.vectors.append(vector)
    needles = _needles(analyzer, [])
    for kind in ("<f4", "<f2", "<f8", ">f4"):
        (tmp_path / "a").write_bytes(b"abc" + vector[40:60].astype(kind).tobytes())
        with pytest.raises(AssertionError, match="a vector"):
            _scan(tmp_path, needles)
    (tmp_path / "a").write_bytes(f"x{SUBJECTS[0]}x".encode())
    with pytest.raises(AssertionError, match="unmistakable"):
        _scan(tmp_path, needles)


def test_no_file_holds_a_name_a_reason_a_vector_or_a_crop(
    tmp_path: Path, analyzer: Watched, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    rotated = _live(tmp_path / "a.db", analyzer)
    needles = _needles(analyzer, rotated)
    assert len(analyzer.vectors) > 15
    assert len(needles) > 5000
    assert _scan(tmp_path, needles) >= {"a.db", "a.db.vault", "a.db.key", "backup", "vault-copy"}
    out = capfd.readouterr()
    said = "\n".join([out.out, out.err, *(f"{record.getMessage()} {vars(record)}" for record in caplog.records)])
    texts = [what for needle, what in needles.items() if needle == what.encode()]
    assert len(texts) == len(SUBJECTS) + 5
    assert [text for text in texts if text in said] == []
    assert [vector for vector in analyzer.vectors if f"{vector[0]:.6f}" in said or repr(float(vector[0])) in said] == []


def test_nothing_of_a_stranger_stays_anywhere_after_a_search(
    tmp_path: Path, analyzer: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "a.db"
    with Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=analyzer) as watchlist:
        watchlist.enroll("s", synthetic_picture([SyntheticFace(_person(0), 1)]), consent=_consent("s"))
        analyzer.vectors.clear()
        analyzer.crops.clear()
        result = watchlist.identify(synthetic_picture([SyntheticFace(STRANGER, 1)]), purpose="site-access")
        assert result.candidates == ()
        core = watchlist._session.resources
        stranger = analyzer.vectors[-1]
        score = float(np.max(core.snapshot().vectors() @ core.cipher.rotated(stranger[None], 1)[0]))
        _scan(tmp_path, _needles(analyzer, []))
        entry = watchlist.audit.entries(limit=1)[0].to_dict()
        said = repr(entry) + "".join(record.getMessage() for record in caplog.records)
    for digits in (f"{score:.4f}", f"{score:.6f}", repr(score)):
        assert digits not in said
    assert entry["action"] == "identify"
    assert entry["details"] == {
        "purpose": "site-access",
        "site": None,
        "probes": 1,
        "candidates": [],
        "threshold": 0.6,
        "gallery_size": 1,
        "generation": 1,
        "policy_version": 1,
    }


def _failing(watchlist: Watchlist, analyzer: Watched) -> Iterator[Any]:
    stranger = synthetic_picture([SyntheticFace(STRANGER, 1)])
    face = analyzer.analyze([stranger])[0][0]
    assert face.embedding is not None
    yield lambda: watchlist.identify_faces([face.with_embedding(face.embedding * 2)], purpose="site-access")
    yield lambda: watchlist.identify_faces([face.with_embedding(face.embedding[:-1])], purpose="site-access")
    yield lambda: watchlist.identify(stranger, purpose="")
    yield lambda: watchlist.identify(stranger, purpose="site-access", threshold=0.1)
    yield lambda: watchlist.identify(stranger, purpose="site-access", site="north", zone="door")
    yield lambda: watchlist.enroll("nobody", stranger)
    yield lambda: watchlist.verify("nobody", stranger, purpose="site-access")


def test_no_error_of_a_search_says_anything_about_the_probe(tmp_path: Path, analyzer: Watched) -> None:
    said = []
    with Watchlist.open(f"sqlite:///{tmp_path / 'a.db'}", actor="ana", analyzer=analyzer) as watchlist:
        watchlist.enroll(SUBJECTS[0], synthetic_picture([SyntheticFace(_person(0))]), consent=_consent(SUBJECTS[0]))
        analyzer.vectors.clear()
        for call in _failing(watchlist, analyzer):
            with pytest.raises(FacematchError) as caught:
                call()
            said.append("".join(traceback.format_exception(caught.value)) + str(caught.value.hint))
        entries = [repr(entry.to_dict()) for entry in watchlist.audit.entries()]
        _scan(tmp_path, _needles(analyzer, []))
    assert len(said) == 7
    assert len(analyzer.vectors) >= 1
    numbers = {f"{value:.4f}" for vector in analyzer.vectors for value in vector[:20] if abs(value) > 0.01}
    assert [text for text in said + entries if any(number in text for number in numbers)] == []


def test_an_overridden_quality_gate_is_sealed_too(tmp_path: Path, analyzer: Watched) -> None:
    policy = Policy.from_dict(
        {**Policy.profile("access-control").to_dict(), "quality": {"gate": "required", "overrides": True}}
    )
    path = tmp_path / "a.db"
    with Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=analyzer, policy=policy) as watchlist:
        made = watchlist.enroll(
            SUBJECTS[0],
            synthetic_picture([SyntheticFace(_person(0))]),
            consent=_consent(SUBJECTS[0]),
            quality_override=OVERRIDE,
        )
        assert made.state == "pending"
        assert "a.db" in _scan(tmp_path, _needles(analyzer, []))
