"""Evaluation on the shared pictures: the figures that others measured."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

from facematch.evaluation.cache import EmbeddingCache
from facematch.evaluation.detection import evaluate_detection
from facematch.evaluation.differentials import evaluate_differentials
from facematch.evaluation.lfw import evaluate_lfw
from facematch.evaluation.openset import OpenSetResult, evaluate_openset
from facematch.evaluation.pictures import EmbeddedPictures, embed_folder, read_folder
from facematch.faces import FaceAnalyzer

pytestmark = pytest.mark.shared_data


def rates(result: OpenSetResult) -> dict[str, float]:
    return {fpir: point.rate for fpir, point in result.dir_at_fpir.items() if point is not None}


def _some(truth: Path, number: int, out: Path) -> Path:
    """The lines of every so many pictures of a list, so that there are ``number``."""
    pictures = re.split(r"^(?=\S+\.jpg$)", truth.read_text("utf-8"), flags=re.MULTILINE)[1:]
    out.write_text("".join(pictures[:: len(pictures) // number][:number]), "utf-8")
    return out


@pytest.mark.parametrize(
    ("pictures", "faces", "ap"), [(60, 377, 0.89), pytest.param(197, 1208, 0.855, marks=pytest.mark.slow)]
)
def test_the_detector_reaches_its_reference_on_wider_face(
    shared: Path, tmp_path: Path, pictures: int, faces: int, ap: float
) -> None:
    """YuNet at each picture's own size gave others an AP of 0.855 on these pictures."""
    folder = shared / "data" / "wider-val"
    analyzer = FaceAnalyzer.from_pack("opencv", max_side=0)
    result = evaluate_detection(
        analyzer, folder / "images", _some(folder / "bbx_gt.txt", pictures, tmp_path / "truth.txt")
    )
    assert result.ap >= ap
    assert (result.n_images, result.n_faces) == (pictures, faces)
    recalls = [result.recall_at_height[height] or 0.0 for height in ("20", "50", "100")]
    assert recalls == sorted(recalls)
    assert recalls[0] > 0.8


def test_open_set_on_orl(shared: Path, orl: EmbeddedPictures, analyzer: FaceAnalyzer, evaluation_cache: Path) -> None:
    cache = EmbeddingCache.open(analyzer, folder=evaluation_cache)
    result = evaluate_openset(analyzer, shared / "data" / "orl", gallery_size=20, draws=5, cache=cache)
    assert (result.n_people, result.n_mated, result.n_non_mated) == (40, 180, 200)
    assert rates(result).keys() == {"0.1", "0.01"}
    assert result.rank1 > 0.95
    began = time.process_time()
    again = evaluate_openset(
        analyzer,
        shared / "data" / "orl",
        gallery_size=20,
        draws=5,
        cache=EmbeddingCache.open(analyzer, folder=evaluation_cache),
    )
    assert time.process_time() - began < 10
    assert rates(again) == rates(result)
    cached = embed_folder(
        analyzer, read_folder(shared / "data" / "orl"), cache=EmbeddingCache.open(analyzer, folder=evaluation_cache)
    )
    np.testing.assert_array_equal(cached.embeddings, orl.embeddings)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_lfw_open_set_and_differentials(
    shared: Path, analyzer: FaceAnalyzer, evaluation_cache: Path, tmp_path: Path
) -> None:
    lfw = shared / "data" / "lfw"
    images = lfw / "images"

    def cache() -> EmbeddingCache:
        return EmbeddingCache.open(analyzer, folder=evaluation_cache)

    pairs = evaluate_lfw(analyzer, images, lfw / "pairs.txt", cache=cache())
    assert abs(pairs.accuracy - 0.9943) <= 0.001
    assert pairs.tpr_at_fmr["0.01"] == pytest.approx(0.9933, abs=0.002)

    # The reference comes from all 13,233 pictures of LFW; these 7,701 have fewer of the people with most pictures.
    single = evaluate_openset(analyzer, images, gallery_size=1000, cache=cache())
    assert rates(single)["0.1"] == pytest.approx(0.9807, abs=0.015)
    assert rates(single)["0.01"] == pytest.approx(0.9585, abs=0.015)
    assert rates(single)["0.001"] == pytest.approx(0.792, abs=0.05)
    assert single.seconds < 30

    one, three = (
        evaluate_openset(analyzer, images, gallery_size=200, templates=k, cache=cache()).dir_at_fpir["0.01"]
        for k in (1, 3)
    )
    assert one is not None
    assert three is not None
    assert three.threshold > one.threshold  # several templates raise the threshold that strangers demand
    assert three.rate > one.rate

    there = {path.relative_to(images).as_posix() for path in images.glob("*/*.jpg")}
    lists = {group: (lfw / f"{group}_names.txt").read_text("utf-8").split() for group in ("male", "female")}
    labels = {group: {f"{n.rsplit('_', 1)[0]}/{n}" for n in names} & there for group, names in lists.items()}
    both = labels["male"] & labels["female"]
    rows = [f"{name},{group}" for group, names in labels.items() for name in sorted(names - both)]
    (tmp_path / "groups.csv").write_text("image,group\n" + "\n".join(rows) + "\n", "utf-8")
    result = evaluate_differentials(
        analyzer, images, tmp_path / "groups.csv", target_fpir=0.01, max_ratio=1.2, cache=cache()
    )
    assert result.fpir == pytest.approx(0.01, abs=0.0005)
    assert (result.max_min["fpir"].value or 0) > 1.2
    assert result.gate is not None
    assert not result.gate.passed
    same, cross = result.cross_fmr["female"]["female"], result.cross_fmr["female"]["male"]
    assert same.value > 3 * cross.value  # strangers of one group resemble each other more
