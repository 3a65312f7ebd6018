"""What a picture and a face cost in memory, counted and not clocked: copies show here before they show in time."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from facematch.faces import FaceAnalyzer
from facematch.types import Image


def peak(work: Callable[[], object]) -> int:
    """Most bytes allocated at a time by Python and NumPy during a call, after one to warm up."""
    work()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_detection_needs_one_tensor_the_planes_and_the_answer(analyzer: FaceAnalyzer, group: Image) -> None:
    height, width = group.shape[:2]
    pixels = 896 * 1280  # padded to a multiple of 32
    tensor, planes = 3 * 4 * pixels, 3 * height * width
    answer = sum(4 * (pixels // stride**2) * (1 + 1 + 4 + 10) for stride in (8, 16, 32))
    used = peak(lambda: analyzer.detect([group]))
    assert tensor <= used <= 1.05 * (tensor + planes + answer)


def test_a_frame_that_is_scaled_down_costs_what_is_seen_of_it(analyzer: FaceAnalyzer, group: Image) -> None:
    """Halved and then interpolated: no copy in full size."""
    small = FaceAnalyzer.from_pack("opencv", smallest_face=80)
    used = peak(lambda: small.detect([group]))
    assert used < 3 * 4 * 896 * 1280 / 4
    assert analyzer.detect([group])


@pytest.mark.parametrize("faces", [8, 128])
def test_a_face_costs_its_tensor_what_goes_into_the_last_product_and_its_embedding(
    analyzer: FaceAnalyzer, faces: int
) -> None:
    """However many there are, only thirty-two are made ready at a time."""
    crops = np.zeros((faces, 112, 112, 3), dtype=np.uint8)
    used = peak(lambda: analyzer.embed(crops))
    ready = min(faces, 32)
    tensor, before_product, embeddings = ready * 3 * 4 * 112 * 112, ready * 4 * 1024 * 7 * 7, faces * 4 * 128
    assert tensor <= used <= 1.1 * tensor + 2 * before_product + 4 * embeddings + 20_000


def test_alignment_makes_each_crop_once(analyzer: FaceAnalyzer, group: Image) -> None:
    (faces,) = analyzer.detect([group])
    crop = 112 * 112 * 3
    assert peak(lambda: analyzer.align(group, faces)) <= (len(faces) + 2) * crop + 20_000
