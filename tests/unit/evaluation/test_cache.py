"""The embedding cache: found again, told apart by key, recomputed where damaged, kept on interruption."""

from __future__ import annotations

import multiprocessing
import stat
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from facematch.errors import InvalidArgument
from facematch.evaluation.cache import CachedFace, EmbeddingCache, cache_key, default_cache_folder
from facematch.evaluation.pictures import EmbeddedPictures, embed_pictures, read_folder
from facematch.faces import FaceAnalyzer
from facematch.settings import Settings
from facematch.testing import FakeAnalyzer, SyntheticFace, synthetic_picture
from facematch.types import Box, Face, ImageSource


class Counting(FakeAnalyzer):
    """Counts the pictures it looked at, and may be interrupted."""

    def __init__(self, *, stop_after: int | None = None, name: str = "fake") -> None:
        super().__init__(name=name)
        self.seen = 0
        self._stop_after = stop_after

    def detect(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        if self._stop_after is not None and self.seen >= self._stop_after:
            raise KeyboardInterrupt
        self.seen += len(images)
        return super().detect(images)


def folder_of(root: Path, people: int = 4, each: int = 3) -> Path:
    for person in range(people):
        (root / f"p{person:02}").mkdir(parents=True)
        for variant in range(each):
            picture = synthetic_picture([SyntheticFace(person, variant)], shade=100 + variant)
            cv2.imwrite(str(root / f"p{person:02}" / f"{variant}.png"), picture)
    return root


def run(analyzer: Counting, pictures: Path, cache: Path | None) -> EmbeddedPictures:
    folder = read_folder(pictures)
    opened = None if cache is None else EmbeddingCache.open(analyzer, folder=cache)
    return embed_pictures(analyzer, folder.paths, names=folder.names, cache=opened)


def test_a_second_run_looks_at_no_picture_and_gives_the_same(tmp_path: Path) -> None:
    pictures = folder_of(tmp_path / "pictures")
    (pictures / "p00" / "nobody.png").write_bytes(cv2.imencode(".png", np.zeros((50, 60, 3), np.uint8))[1].tobytes())
    first, second, plain = Counting(), Counting(), Counting()
    once = run(first, pictures, tmp_path / "cache")
    again = run(second, pictures, tmp_path / "cache")
    without = run(plain, pictures, None)
    assert (first.seen, second.seen, plain.seen) == (13, 0, 13)
    assert (once.cached, again.cached) == (0, 13)
    assert again.failures == ("p00/nobody.png",)
    assert again.unreadable == ()
    for attribute in ("embeddings", "found", "boxes", "landmarks", "detection_scores", "sizes"):
        np.testing.assert_array_equal(getattr(again, attribute), getattr(once, attribute))
        np.testing.assert_array_equal(getattr(again, attribute), getattr(without, attribute))
    assert again.names == once.names
    assert again.data_digest == without.data_digest


def test_the_cache_is_private_and_apart(tmp_path: Path) -> None:
    run(Counting(), folder_of(tmp_path / "pictures"), tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]
    assert default_cache_folder(Settings(home=tmp_path)) == tmp_path / "evaluation"


def test_renamed_pictures_are_known_and_changed_ones_are_not(tmp_path: Path) -> None:
    pictures = folder_of(tmp_path / "pictures")
    run(Counting(), pictures, tmp_path / "cache")
    (pictures / "p00" / "0.png").rename(pictures / "p01" / "renamed.png")
    cv2.imwrite(str(pictures / "p02" / "0.png"), synthetic_picture([9], shade=7))
    analyzer = Counting()
    run(analyzer, pictures, tmp_path / "cache")
    assert analyzer.seen == 1


def test_contract_detector_and_choice_each_make_a_key_of_their_own(analyzer: FaceAnalyzer) -> None:
    keys = {cache_key(FakeAnalyzer(), "central"), cache_key(FakeAnalyzer(), "largest")}
    keys |= {cache_key(FakeAnalyzer(name="other"), "central"), cache_key(analyzer, "central")}
    smaller = FaceAnalyzer.from_pack("opencv", max_side=320)
    keys.add(cache_key(smaller, "central"))
    assert len(keys) == 5
    assert cache_key(analyzer, "central") == cache_key(FaceAnalyzer.from_pack("opencv"), "central")


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "foreign"])
def test_damaged_shards_are_dropped_and_computed_again(damage: str, tmp_path: Path) -> None:
    pictures = folder_of(tmp_path / "pictures")
    expected = run(Counting(), pictures, tmp_path / "cache")
    (shard,) = (tmp_path / "cache").glob("*/*.npz")
    data = bytearray(shard.read_bytes())
    middle = len(data) // 2
    data[middle] ^= 0xFF
    shard.write_bytes(
        {"cut": bytes(data[:middle]), "flipped": bytes(data), "emptied": b"", "foreign": b"not an archive"}[damage]
    )
    analyzer = Counting()
    np.testing.assert_array_equal(run(analyzer, pictures, tmp_path / "cache").embeddings, expected.embeddings)
    assert analyzer.seen == 12
    assert run(Counting(), pictures, tmp_path / "cache").cached == 12


def test_left_over_temporary_files_are_ignored(tmp_path: Path) -> None:
    pictures = folder_of(tmp_path / "pictures")
    run(Counting(), pictures, tmp_path / "cache")
    (shard,) = (tmp_path / "cache").glob("*/*.npz")
    shard.with_suffix(".0.tmp").write_bytes(b"half a file")
    assert run(Counting(), pictures, tmp_path / "cache").cached == 12


def test_what_was_done_before_an_interruption_is_kept(tmp_path: Path) -> None:
    pictures = folder_of(tmp_path / "pictures", people=10, each=8)
    with pytest.raises(KeyboardInterrupt):
        run(Counting(stop_after=64), pictures, tmp_path / "cache")
    analyzer = Counting()
    result = run(analyzer, pictures, tmp_path / "cache")
    assert (analyzer.seen, result.cached) == (16, 64)


def _fill(pictures: Path, cache: Path) -> None:
    run(Counting(), pictures, cache)


def test_two_processes_fill_one_cache(tmp_path: Path) -> None:
    pictures = folder_of(tmp_path / "pictures")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fill, args=(pictures, tmp_path / "cache")) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert run(Counting(), pictures, tmp_path / "cache").cached == 12


def test_unreadable_pictures_are_failures_and_missing_ones_are_listed(tmp_path: Path) -> None:
    pictures = folder_of(tmp_path / "pictures")
    (pictures / "p03" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = run(Counting(), pictures, tmp_path / "cache")
    assert result.unreadable == result.failures == ("p03/broken.png",)
    assert result.score(0, result.names.index("p03/broken.png")) == -1.0
    names = ["p00/0.png", "p00/7.png", "p09/0.png"]
    with pytest.raises(InvalidArgument, match=r"2 pictures are missing: p00/7\.png, p09/0\.png"):
        embed_pictures(Counting(), [pictures / name for name in names], names=names)


def test_the_chosen_face_is_the_central_or_the_largest(tmp_path: Path) -> None:
    near = SyntheticFace(1, box=Box(190, 90, 210, 110))
    large = SyntheticFace(2, box=Box(0, 0, 90, 90))
    cv2.imwrite(str(tmp_path / "two.png"), synthetic_picture([large, near], size=(200, 400)))
    central = embed_pictures(FakeAnalyzer(), [tmp_path / "two.png"])
    largest = embed_pictures(FakeAnalyzer(), [tmp_path / "two.png"], choice="largest")
    assert (int(np.argmax(central.embeddings)), int(np.argmax(largest.embeddings))) == (1, 2)


def test_folders_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="no folder with pictures"):
        read_folder(tmp_path)
    with pytest.raises(InvalidArgument, match="not a folder"):
        read_folder(tmp_path / "absent")


def test_an_embedding_of_another_length_is_refused(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, 4)
    face = CachedFace(np.zeros(3, np.float32), np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 0.5, 1, (1, 1))
    with pytest.raises(InvalidArgument, match="length 4"):
        cache.put("0" * 64, face)
