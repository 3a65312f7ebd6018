"""Half an hour of pictures from many threads; ``make soak``. ``FACEMATCH_PIPELINE_SOAK_SECONDS`` changes how long."""

from __future__ import annotations

import os
import random
import sys
import threading
import time

import numpy as np
import pytest
from pipeline.scenes import group, singles

from facematch.faces import FaceAnalyzer
from facematch.models import SessionOptions
from facematch.settings import Runtime
from facematch.types import Image
from tests.soak.plateau import Plateau, handles, resident

SECONDS = float(os.environ.get("FACEMATCH_PIPELINE_SOAK_SECONDS", "1800"))
_THREADS = 4


def _embeddings(analyzer: FaceAnalyzer, pictures: list[Image]) -> np.ndarray:
    found = [face.embedding for faces in analyzer.analyze(pictures) for face in faces if face.embedding is not None]
    return np.stack(found) if found else np.empty((0, 128), dtype=np.float32)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS * 1.5 + 300)
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_threads_share_an_analyzer_for_half_an_hour(runtime: Runtime) -> None:
    options = SessionOptions(runtime=runtime, threads=2)
    analyzer = FaceAnalyzer.from_pack("opencv", sessions=options)
    six = group()
    alone = singles(six, analyzer.detect([six])[0], 24)
    lists = [[six], alone, alone[:1], [six[:333, :517], six], [np.zeros((90, 70, 3), dtype=np.uint8)], []]
    right = [_embeddings(analyzer, pictures) for pictures in lists]
    until = time.monotonic() + SECONDS / 2
    counts, failures = [0] * _THREADS, []

    def look(number: int) -> None:
        rng = random.Random(number)
        try:
            while time.monotonic() < until:
                which = rng.randrange(len(lists))
                np.testing.assert_allclose(_embeddings(analyzer, lists[which]), right[which], atol=1e-4)
                counts[number] += 1
        except BaseException as error:
            failures.append(error)
            raise

    def open_and_let_go() -> None:
        try:
            while time.monotonic() < until:
                _embeddings(FaceAnalyzer.from_pack("opencv", sessions=options), [alone[0]])
        except BaseException as error:
            failures.append(error)
            raise

    watched = [Plateau(quantity, SECONDS / 2) for quantity in (resident, handles, threading.active_count)]
    work = [threading.Thread(target=look, args=(number,)) for number in range(_THREADS)]
    work.append(threading.Thread(target=open_and_let_go))
    for thread in [*watched, *work]:
        thread.start()
    for thread in work:
        thread.join()
    for each in watched:
        each.end()
    sys.stdout.write(f"\n{runtime}: {sum(counts)} calls, {np.median(watched[0].samples) / 2**20:.0f} MiB\n")
    assert failures == []
    assert min(counts) > 0
    watched[0].assert_flat(1.1)
    watched[1].assert_flat(1.0, spare=3)
    watched[2].assert_flat(1.0, spare=1)
