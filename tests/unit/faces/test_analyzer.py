"""The analyzer: order, batches, threads, other packs, and what it refuses."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from pipeline.scenes import group, singles

from facematch.errors import ImageDecodeError, ImageNotFound, InvalidArgument
from facematch.faces import FaceAnalyzer
from facematch.faces.order import reading_order
from facematch.imaging import decode
from facematch.models import SessionOptions
from facematch.protocols import Analyzer
from facematch.types import Box, Face, FloatArray, Image


def face(x: float, y: float, size: float = 10) -> Face:
    return Face(Box(x, y, x + size, y + size), np.zeros((5, 2), np.float32), 0.9)


def stacked(faces: list[Face]) -> FloatArray:
    embeddings = [face.embedding for face in faces if face.embedding is not None]
    assert len(embeddings) == len(faces)
    return np.stack(embeddings)


def test_it_is_an_analyzer(analyzer: FaceAnalyzer) -> None:
    assert isinstance(analyzer, Analyzer)


def test_faces_come_in_reading_order_with_unit_embeddings(analyzer: FaceAnalyzer, group_path: Path) -> None:
    (faces,) = analyzer.analyze([group_path])
    assert len(faces) == 6
    embeddings = stacked(faces)
    assert embeddings.shape == (6, 128)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    assert np.abs(embeddings @ embeddings.T - np.eye(6)).max() < 0.4  # six different people


def test_a_mixed_batch_equals_single_pictures(analyzer: FaceAnalyzer, group_path: Path, astronaut: Image) -> None:
    blank = np.zeros((50, 50, 3), np.uint8)
    together = analyzer.analyze([blank, group_path, astronaut, group_path.read_bytes()])
    assert [len(faces) for faces in together] == [0, 6, 1, 6]
    (alone,) = analyzer.analyze([astronaut])
    np.testing.assert_allclose(stacked(together[2]), stacked(alone), atol=1e-5)
    np.testing.assert_allclose(stacked(together[1]), stacked(together[3]), atol=1e-5)


def test_the_same_person_scores_above_the_threshold_and_others_below(
    analyzer: FaceAnalyzer, group: Image, astronaut: Image
) -> None:
    darker = (astronaut * 0.6).astype(np.uint8)
    (reference,), (probe,), others = analyzer.analyze([astronaut, darker[:, ::-1], group])
    assert reference.embedding is not None
    assert probe.embedding is not None
    point = analyzer.operating_point
    assert point is not None
    assert float(reference.embedding @ probe.embedding) > point.threshold
    assert (stacked(others) @ reference.embedding).max() < point.threshold


def test_threads_share_an_analyzer(analyzer: FaceAnalyzer, group: Image, astronaut: Image) -> None:
    pictures = [group, astronaut, group[:, ::-1].copy(), group[100:].copy()]
    expected = [stacked(analyzer.analyze([picture])[0]) for picture in pictures]
    outcomes: list[float] = []

    def work(index: int) -> None:
        for turn in range(4):
            at = (index + turn) % len(pictures)
            outcomes.append(float(np.abs(stacked(analyzer.analyze([pictures[at]])[0]) - expected[at]).max()))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 16
    assert max(outcomes) < 1e-5


def test_no_pictures_give_no_results(analyzer: FaceAnalyzer) -> None:
    assert analyzer.analyze([]) == []


@pytest.mark.parametrize("one", ["door.jpg", b"bytes", Path("door.jpg"), np.zeros((4, 4, 3), np.uint8)])
def test_one_picture_in_place_of_a_list_is_explained(analyzer: FaceAnalyzer, one: object) -> None:
    with pytest.raises(InvalidArgument, match="list") as caught:
        analyzer.analyze(one)  # type: ignore[arg-type]
    assert caught.value.hint == "write analyze([picture])[0]"


def test_an_undecodable_picture_raises(analyzer: FaceAnalyzer, group_path: Path) -> None:
    with pytest.raises(ImageDecodeError):
        analyzer.analyze([group_path, b"no picture"])


def test_crops_of_the_wrong_shape_or_type_are_refused(analyzer: FaceAnalyzer) -> None:
    for crops in (np.zeros((1, 100, 112, 3), np.uint8), np.zeros((1, 112, 112, 3), np.float32)):
        with pytest.raises(InvalidArgument, match="112"):
            analyzer.embed(crops)  # type: ignore[arg-type]
    assert analyzer.embed(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0, 128)


def test_reading_order_is_rows_from_the_top_then_left_to_right() -> None:
    grid = [face(x, y + (x % 3)) for y in (0, 40, 80) for x in (0, 31, 62)]
    shuffled = [grid[i] for i in np.random.default_rng(3).permutation(9)]
    assert reading_order(shuffled) == grid
    assert reading_order([]) == []


def test_runtime_and_pack_are_described(analyzer: FaceAnalyzer) -> None:
    assert set(analyzer.describe_runtime()) == {"detector", "embedder"}
    assert analyzer.describe()["license"] == "MIT AND Apache-2.0"


@pytest.mark.shared_data
def test_stills_of_the_same_person_match_and_others_do_not(shared: Path, analyzer: FaceAnalyzer) -> None:
    stills = shared / "data" / "stills"
    paths = [
        path
        for person in ("obama", "biden", "alex-lacamoire", "lin-manuel-miranda")
        for path in sorted((stills / person).iterdir())
    ]
    found = [analyzer.analyze([decode(path).pixels])[0] for path in paths]
    assert {len(faces) for faces in found} == {1}
    embeddings = stacked([faces[0] for faces in found])
    people = np.array([path.parent.name for path in paths])
    scores = embeddings @ embeddings.T
    same = people[:, None] == people[None]
    point = analyzer.operating_point
    assert point is not None
    assert scores[same].min() > point.threshold
    assert scores[~same].max() < point.threshold


@pytest.mark.parametrize(("workers", "turns"), [(5, 4), pytest.param(6, 8, marks=pytest.mark.slow)])
def test_many_threads_share_an_analyzer_and_get_what_one_gets(workers: int, turns: int) -> None:
    analyzer = FaceAnalyzer.from_pack("opencv", sessions=SessionOptions(threads=2))
    six = group()
    (faces,) = analyzer.detect([six])
    lists = [[six], singles(six, faces, 12), [], [six[:300, :400], six]]
    right = [_plain(analyzer.analyze(pictures)) for pictures in lists]
    found: dict[int, list[bool]] = {}

    def work(number: int) -> None:
        found[number] = [
            _plain(analyzer.analyze(lists[(number + turn) % len(lists)])) == right[(number + turn) % len(lists)]
            for turn in range(turns)
        ]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [True] * turns for number in range(workers)}


def _plain(found: list[list[Face]]) -> list[list[tuple[object, ...]]]:
    return [
        [(face.box, face.detection_score, face.landmarks.tobytes(), _rounded(face)) for face in faces]
        for faces in found
    ]


def _rounded(face: Face) -> tuple[float, ...]:
    assert face.embedding is not None
    return tuple(np.round(face.embedding.astype(np.float64), 4).tolist())


def test_pictures_shared_among_threads_are_those_one_after_the_other() -> None:
    shared = FaceAnalyzer.from_pack("opencv", sessions=SessionOptions(threads=2))
    plain = FaceAnalyzer.from_pack("opencv", sessions=SessionOptions(threads=1))
    six = group()
    pictures = [six, *singles(six, shared.detect([six])[0], 20), six[:500]]
    for ours, theirs in zip(shared.detect(pictures), plain.detect(pictures), strict=True):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1e-2)
            assert one.detection_score == pytest.approx(other.detection_score, abs=1e-4)


def test_an_error_in_one_of_many_pictures_is_raised(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    cv2.imwrite(str(good), np.zeros((50, 60, 3), dtype=np.uint8))
    analyzer = FaceAnalyzer.from_pack("opencv", sessions=SessionOptions(threads=3))
    for _ in range(5):
        with pytest.raises(ImageNotFound, match=r"missing\.png"):
            analyzer.detect([good, good, tmp_path / "missing.png", good, tmp_path / "other.png"])


def test_any_iterable_of_pictures_is_taken(analyzer: FaceAnalyzer) -> None:
    black = np.zeros((50, 60, 3), dtype=np.uint8)
    assert analyzer.detect(black for _ in range(3)) == [[], [], []]  # type: ignore[arg-type]
    assert analyzer.detect({"a": black}.values()) == [[]]  # type: ignore[arg-type]
