"""A folder's faces as a table: what is in it, what happens when it is interrupted, and what it refuses."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image as PillowImage

from facematch.bulk import embed_folder
from facematch.bulk.embedding import draft_of
from facematch.errors import FacematchError, InvalidArgument, MissingExtra
from facematch.faces import FaceAnalyzer
from facematch.testing import FakeAnalyzer, synthetic_picture
from facematch.types import Face, Image, ImageSource


class Counting:
    """A fake analyzer that counts the pictures it looks at, and is taken for any other."""

    def __init__(self) -> None:
        self.analyzer = FakeAnalyzer()
        self.looked_at = 0
        self._detect = self.analyzer.detect
        self.analyzer.detect = self.detect  # type: ignore[method-assign]

    def detect(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        self.looked_at += len(images)
        return self._detect(images)


def save(pixels: Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(pixels[..., ::-1]).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures with faces, one without, two that cannot be read, and things that are no pictures."""
    root = tmp_path / "pictures"
    save(synthetic_picture([0, 1]), root / "b.png")
    save(synthetic_picture([2]), root / "deep" / "er" / "a.png")
    save(synthetic_picture([3], shade=90), root / "deep" / "c.png")
    save(synthetic_picture([]), root / "empty.png")
    (root / "text.jpg").write_text("no picture", "utf-8")
    (root / "nothing.jpg").touch()
    (root / "readme.txt").write_text("not looked at", "utf-8")
    save(synthetic_picture([4]), root / ".hidden" / "d.png")
    save(synthetic_picture([4]), root / ".e.png")
    return root


def many(root: Path, count: int) -> Path:
    for number in range(count):
        save(synthetic_picture([number % 7], shade=number % 200), root / f"{number:04}.png")
    return root


NAMES = ["b.png", "deep/c.png", "deep/er/a.png", "empty.png", "nothing.jpg", "text.jpg"]


def test_every_face_stands_in_the_npz_and_every_picture(folder: Path, tmp_path: Path) -> None:
    report = embed_folder(FakeAnalyzer(), folder, tmp_path / "out.npz")
    assert (report.pictures, report.faces, report.without_face, report.resumed) == (6, 4, 1, 0)
    assert [(name, code) for name, code, _ in report.errors] == [
        ("nothing.jpg", "image_empty"),
        ("text.jpg", "image_not_an_image"),
    ]
    assert report.to_dict()["errors_by_code"] == {"image_empty": 1, "image_not_an_image": 1}
    table = np.load(tmp_path / "out.npz", allow_pickle=False)
    assert list(table["pictures"]) == NAMES
    assert list(table["errors"]) == ["", "", "", "", "image_empty", "image_not_an_image"]
    assert list(table["picture"]) == [0, 0, 1, 2]
    fake = FakeAnalyzer()
    for place, (name, face) in enumerate([("b.png", 0), ("b.png", 1), ("deep/c.png", 0), ("deep/er/a.png", 0)]):
        expected = fake.analyze([folder / name])[0][face]
        np.testing.assert_array_equal(table["embeddings"][place], expected.embedding)
        np.testing.assert_allclose(table["boxes"][place], expected.box.as_tuple())
        np.testing.assert_array_equal(table["landmarks"][place], expected.landmarks)
        assert table["detection_scores"][place] == np.float32(expected.detection_score)
    assert table["sizes"].tolist()[3:] == [[100, 120], [0, 0], [0, 0]]
    about = json.loads(str(table["about"]))
    assert (about["contract"], about["dimension"]) == (fake.contract.digest, 16)
    assert {table[name].dtype for name in ("embeddings", "boxes", "landmarks")} == {np.dtype(np.float32)}


def test_parquet_says_the_same(folder: Path, tmp_path: Path) -> None:
    embed_folder(FakeAnalyzer(), folder, tmp_path / "out.npz")
    embed_folder(FakeAnalyzer(), folder, tmp_path / "out.parquet")
    arrays = np.load(tmp_path / "out.npz", allow_pickle=False)
    table = pq.read_table(tmp_path / "out.parquet")
    rows = table.to_pylist()
    faces = [row for row in rows if row["face"] is not None]
    assert [row["picture"] for row in faces] == [NAMES[place] for place in arrays["picture"]]
    np.testing.assert_array_equal([row["embedding"] for row in faces], arrays["embeddings"])
    np.testing.assert_array_equal([row["box"] for row in faces], arrays["boxes"])
    bare = {row["picture"]: row["error"] for row in rows if row["face"] is None}
    assert bare == {"empty.png": None, "nothing.jpg": "image_empty", "text.jpg": "image_not_an_image"}
    assert json.loads(table.schema.metadata[b"facematch"]) == json.loads(str(arrays["about"]))


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_pictures_without_any_face_make_a_table_too(tmp_path: Path, ending: str) -> None:
    save(synthetic_picture([]), tmp_path / "in" / "a.png")
    out = tmp_path / f"out.{ending}"
    assert embed_folder(FakeAnalyzer(), tmp_path / "in", out).faces == 0
    if ending == "npz":
        assert np.load(out)["embeddings"].shape == (0, 16)
    else:
        assert pq.read_table(out).num_rows == 1


def test_the_files_are_their_owners_only_and_no_draft_is_left(folder: Path, tmp_path: Path) -> None:
    modes: list[int] = []
    out = tmp_path / "out.npz"

    def look(done: int, total: int | None) -> None:
        modes.append(draft_of(out).stat().st_mode & 0o777)

    old = os.umask(0)
    try:
        embed_folder(FakeAnalyzer(), folder, out, progress=look)
    finally:
        os.umask(old)
    assert set(modes) == {0o600}
    assert out.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.npz", "pictures"]


def test_an_interrupted_run_is_taken_up_again(tmp_path: Path) -> None:
    root, out = many(tmp_path / "in", 150), tmp_path / "out.npz"

    def stop(done: int, total: int | None) -> None:
        assert total == 150
        if done >= 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_folder(FakeAnalyzer(), root, out, progress=stop)
    assert not out.exists()
    assert draft_of(out).exists()
    save(synthetic_picture([5, 6]), root / "0001.png")  # has changed since
    (root / "0002.png").unlink()
    counting = Counting()
    seen: list[int] = []
    report = embed_folder(counting.analyzer, root, out, progress=lambda done, total: seen.append(done))
    assert report.resumed == 62
    assert counting.looked_at == 149 - 62
    assert (seen[0], seen[-1]) == (62, 149)
    assert seen == sorted(seen)
    whole = embed_folder(FakeAnalyzer(), root, tmp_path / "whole.npz")
    assert (report.pictures, report.faces) == (whole.pictures, whole.faces) == (149, 150)
    first, second = np.load(out), np.load(tmp_path / "whole.npz")
    for name in second:
        np.testing.assert_array_equal(first[name], second[name])


WORKER = """
import sys, time
from facematch.bulk import embed_folder
from facematch.testing import FakeAnalyzer

analyzer = FakeAnalyzer()
detect = analyzer.detect

def slowly(images):
    time.sleep(0.02)
    return detect(images)

analyzer.detect = slowly
embed_folder(analyzer, sys.argv[1], sys.argv[2], progress=lambda done, total: print(done, flush=True))
"""


def started(root: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(root), str(out)], stdout=subprocess.PIPE, text=True)


def test_a_killed_run_loses_only_what_it_was_at(tmp_path: Path) -> None:
    root, out = many(tmp_path / "in", 400), tmp_path / "out.npz"
    kept = 0
    for _ in range(3):
        process = started(root, out)
        assert process.stdout is not None
        begun = int(process.stdout.readline())
        assert begun >= kept
        kept = int(process.stdout.readline())
        time.sleep(0.03)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert not out.exists()
    counting = Counting()
    report = embed_folder(counting.analyzer, root, out)
    assert report.resumed >= kept >= 96
    assert counting.looked_at == 400 - report.resumed
    assert np.load(out)["embeddings"].shape == (400, 16)


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    root, out = many(tmp_path / "in", 400), tmp_path / "out.npz"
    process = started(root, out)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        with pytest.raises(InvalidArgument, match="another process"):
            embed_folder(FakeAnalyzer(), root, out)
        process.stdout.read()
    assert process.wait() == 0
    assert np.load(out)["embeddings"].shape == (400, 16)


LIMITED = """
import resource, signal, sys
from facematch.bulk import embed_folder
from facematch.errors import InvalidArgument
from facematch.testing import FakeAnalyzer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    embed_folder(FakeAnalyzer(512), sys.argv[1], sys.argv[2])
except InvalidArgument as error:
    print(error.message)
"""


@pytest.mark.parametrize(("limit", "kept"), [(8192, 0), (200_000, 32), (500_000, 96)])
def test_a_full_disk_ends_the_run_and_what_was_done_counts(tmp_path: Path, limit: int, kept: int) -> None:
    root, out = many(tmp_path / "in", 150), tmp_path / "out.npz"
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(root), str(out), str(limit)], capture_output=True, text=True, check=True
    )
    assert "out.npz.part cannot be written" in result.stdout, result
    report = embed_folder(FakeAnalyzer(512), root, out)
    assert report.faces == 150
    assert report.resumed == kept


def test_a_disk_too_full_for_the_result_leaves_no_half_file(tmp_path: Path) -> None:
    root, out = many(tmp_path / "in", 150), tmp_path / "out.npz"
    old, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill_up(done: int, total: int | None) -> None:
        if done == total:
            resource.setrlimit(resource.RLIMIT_FSIZE, (9000, old[1]))

    try:
        with pytest.raises(InvalidArgument, match=r"out\.npz' cannot be written"):
            embed_folder(FakeAnalyzer(), root, out, progress=fill_up)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.npz.part"]
    assert embed_folder(FakeAnalyzer(), root, out).resumed == 150


def test_a_draft_of_something_else_is_refused(tmp_path: Path) -> None:
    root, out = many(tmp_path / "in", 40), tmp_path / "out.npz"

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_folder(FakeAnalyzer(), root, out, progress=stop)
    for other in ({"analyzer": FakeAnalyzer(name="other")}, {"reduced": True}):
        options: dict[str, Any] = {"analyzer": FakeAnalyzer(), "folder": root, "target": out, **other}
        with pytest.raises(InvalidArgument, match="begun with other models"):
            embed_folder(**options)
    content = bytearray(draft_of(out).read_bytes())
    content[:100] = b"x" * 100
    draft_of(out).write_bytes(content)
    with pytest.raises(InvalidArgument, match="damaged"):
        embed_folder(FakeAnalyzer(), root, out)


def test_what_cannot_be_written_is_refused_before_anything_is_looked_at(folder: Path, tmp_path: Path) -> None:
    counting = Counting()
    (tmp_path / "there.npz").touch()
    (tmp_path / "link.npz").symlink_to(tmp_path / "nowhere.npz")
    for target in ("there.npz", "link.npz", "missing/out.npz", "out.csv", "out"):
        with pytest.raises(InvalidArgument):
            embed_folder(counting.analyzer, folder, tmp_path / target)
    for wrong in (tmp_path / "nothing", folder / "b.png", tmp_path / "bare"):
        (tmp_path / "bare").mkdir(exist_ok=True)
        with pytest.raises(InvalidArgument):
            embed_folder(counting.analyzer, wrong, tmp_path / "out.npz")
    assert counting.looked_at == 0
    assert not list(tmp_path.glob("*.part"))


def test_without_pyarrow_parquet_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra) as caught:
        embed_folder(FakeAnalyzer(), folder, tmp_path / "out.parquet")
    assert "[parquet]" in str(caught.value.hint)


def test_a_name_that_is_no_text_stands_there_in_escapes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    picture = save(synthetic_picture([1]), tmp_path / "a.png")
    picture.rename(tmp_path / "in" / os.fsdecode(b"\xff.png"))
    for ending in ("npz", "parquet"):
        embed_folder(FakeAnalyzer(), tmp_path / "in", tmp_path / f"out.{ending}")
    assert np.load(tmp_path / "out.npz")["pictures"].tolist() == ["\\xff.png"]
    assert pq.read_table(tmp_path / "out.parquet")["picture"].to_pylist() == ["\\xff.png"]


def test_embeddings_are_those_of_the_analyzer(analyzer: FaceAnalyzer, group: Image, tmp_path: Path) -> None:
    save(group, tmp_path / "in" / "a.png")
    save(group[:400], tmp_path / "in" / "b.png")
    embed_folder(analyzer, tmp_path / "in", tmp_path / "out.npz")
    expected = [face.embedding for faces in analyzer.analyze([group, group[:400]]) for face in faces]
    found = np.load(tmp_path / "out.npz")["embeddings"]
    assert len(found) == len(expected) >= 6
    np.testing.assert_allclose(found, np.stack([vector for vector in expected if vector is not None]), atol=1e-5)


def test_a_large_photograph_is_decoded_small_where_its_faces_allow(
    analyzer: FaceAnalyzer, group: Image, astronaut: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = cv2.resize(group, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    crowd[-512:, -512:] = astronaut  # one face stays low when the picture is halved
    portrait = cv2.resize(astronaut, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    for name, pixels in (("crowd", crowd), ("portrait", portrait)):
        (tmp_path / "in").mkdir(exist_ok=True)
        PillowImage.fromarray(pixels[..., ::-1]).save(tmp_path / "in" / f"{name}.jpg", quality=95)
    again: list[Path] = []
    decode_pixels = sys.modules["facematch.bulk.faces"].decode_pixels

    def decoded(path: Path) -> Image:
        again.append(path)
        result: Image = decode_pixels(path)
        return result

    monkeypatch.setattr("facematch.bulk.faces.decode_pixels", decoded)
    embed_folder(analyzer, tmp_path / "in", tmp_path / "full.npz")
    assert again == []
    embed_folder(analyzer, tmp_path / "in", tmp_path / "reduced.npz", reduced=True)
    assert [path.name for path in again] == ["crowd.jpg"]
    full, small = np.load(tmp_path / "full.npz"), np.load(tmp_path / "reduced.npz")
    np.testing.assert_array_equal(full["sizes"], small["sizes"])
    np.testing.assert_array_equal(full["picture"], small["picture"])
    assert np.abs(full["boxes"] - small["boxes"]).max() < 8
    cosines = (full["embeddings"] * small["embeddings"]).sum(axis=1)
    assert len(cosines) == 8
    assert cosines.min() > 0.97


def test_a_draft_is_nobody_else_s(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    (tmp_path / "theirs").touch()
    draft_of(out).symlink_to(tmp_path / "theirs")
    with pytest.raises(InvalidArgument, match="cannot be written"):
        embed_folder(FakeAnalyzer(), folder, out)
    draft_of(out).unlink()
    draft_of(out).touch(mode=0o644)
    modes: list[int] = []
    embed_folder(
        FakeAnalyzer(), folder, out, progress=lambda done, total: modes.append(draft_of(out).stat().st_mode & 0o777)
    )
    assert set(modes) == {0o600}


def test_a_pipe_among_the_pictures_holds_up_nothing(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    report = embed_folder(FakeAnalyzer(), folder, tmp_path / "out.npz")
    assert ("pipe.jpg", "image_not_found") in [(name, code) for name, code, _ in report.errors]


def test_a_file_that_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    root, out = many(tmp_path / "in", 40), tmp_path / "out.npz"
    content = (root / "0003.png").read_bytes()
    (root / "0003.png").unlink()
    (root / "0003.png").symlink_to(tmp_path / "away.png")

    def stop(done: int, total: int | None) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_folder(FakeAnalyzer(), root, out, progress=stop)
    (tmp_path / "away.png").write_bytes(content)
    report = embed_folder(FakeAnalyzer(), root, out)
    assert (report.errors, report.faces, report.resumed) == ((), 40, 31)


def test_pictures_are_not_decoded_smaller_for_the_smallest_face(group: Image, tmp_path: Path) -> None:
    save(group, tmp_path / "in" / "a.png")
    close = FaceAnalyzer.from_pack("opencv", smallest_face=40)
    with pytest.raises(InvalidArgument, match="smallest face"):
        embed_folder(close, tmp_path / "in", tmp_path / "out.npz", reduced=True)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_error_of_the_runtime_is_not_a_picture_s(folder: Path, tmp_path: Path) -> None:
    class Broken(FakeAnalyzer):
        def embed(self, crops: Any) -> Any:
            raise FacematchError("out of memory")

    with pytest.raises(FacematchError, match="out of memory"):
        embed_folder(Broken(), folder, tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()
