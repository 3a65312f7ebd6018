"""What several integration tests share."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from facematch.evaluation.cache import EmbeddingCache
from facematch.evaluation.pictures import EmbeddedPictures, embed_folder, read_folder
from facematch.faces import FaceAnalyzer
from facematch.types import Image


@pytest.fixture(scope="session")
def evaluation_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One evaluation folder for the whole run: LFW is embedded once."""
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="session")
def orl(shared: Path, analyzer: FaceAnalyzer, evaluation_cache: Path) -> EmbeddedPictures:
    """The 400 pictures of ORL, embedded once a process into the evaluation folder."""
    cache = EmbeddingCache.open(analyzer, folder=evaluation_cache)
    return embed_folder(analyzer, read_folder(shared / "data" / "orl"), cache=cache)


@pytest.fixture
def workplace(tmp_path: Path, astronaut: Image, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a reader, with the files that README and documents name."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.jpg", astronaut)
    cv2.imwrite("b.jpg", np.ascontiguousarray(astronaut[:, ::-1]))
    cv2.imwrite("door.jpg", (astronaut * 0.6).astype(np.uint8))
    Path("notice-en.txt").write_text("What happens to your picture.", "utf-8")
    Path("signed-form-0042.pdf").write_bytes(b"%PDF")
    with av.open("lobby.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        for shift in range(12):
            picture = np.ascontiguousarray(np.roll(astronaut, shift, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return tmp_path
