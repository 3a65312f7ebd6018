"""Other detectors and embedders behind the same code: SCRFD, the ArcFace family, other templates, ensembles, flipping.

insightface's own classes and plain runs of the published files are the oracles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from skimage.transform import SimilarityTransform

from facematch.errors import InferenceError, InvalidArgument, LicenseError, PackUnavailable
from facematch.faces import FaceAnalyzer
from facematch.faces.detectors.insightface import InsightFaceDetector
from facematch.faces.detectors.scrfd import ScrfdDetector
from facematch.faces.embedders.ensemble import EnsembleEmbedder
from facematch.imaging import decode
from facematch.models import (
    DetectorModel,
    Manifest,
    OnnxSession,
    bundled_manifest,
    bundled_names,
    ensemble_contract,
    open_pack,
)
from facematch.models.convert import convert
from facematch.models.manifest import Preprocessing
from facematch.settings import Settings
from facematch.types import Box, Face, FloatArray, Image

RESEARCH_DETECTORS = ("insightface/models/sc-int8/det_500m.onnx", "detectors/scrfd_2.5g_bnkps.onnx")


def stacked(faces: list[Face]) -> FloatArray:
    embeddings = [face.embedding for face in faces if face.embedding is not None]
    assert len(embeddings) == len(faces)
    return np.stack(embeddings)


def plain_run(path: Path, blobs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit embeddings of a published file, run as it is, one picture at a time."""
    session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    raw = np.concatenate([session.run(None, {name: blob[None]})[0].reshape(1, -1) for blob in blobs])
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True))


def pictures(shared: Path, group: Image, number: int) -> list[Image]:
    """insightface's picture of six and so many pictures of LFW."""
    files = sorted((shared / "data" / "lfw" / "images").glob("*/*.jpg"))[::38][:number]
    assert len(files) == number
    return [group, *(decode(path).pixels for path in files)]


FEW_OR_MANY = pytest.mark.parametrize("number", [8, pytest.param(200, marks=pytest.mark.slow)])
"""Pictures of LFW."""


@pytest.mark.shared_data
@FEW_OR_MANY
@pytest.mark.parametrize("file", RESEARCH_DETECTORS)
def test_scrfd_finds_what_insightfaces_class_finds(shared: Path, group: Image, file: str, number: int) -> None:
    data = (shared / "models" / file).read_bytes()
    model = DetectorModel(
        kind="scrfd", file="det.onnx", sha256="0" * 64, license="none", preprocessing=Preprocessing(channels="rgb")
    )
    looked_at = pictures(shared, group, number)
    ours = ScrfdDetector(OnnxSession(convert(data, "detector"), name=file)).detect(looked_at)
    theirs = InsightFaceDetector.from_model(model, data).detect(looked_at)
    assert [len(faces) for faces in ours] == [len(faces) for faces in theirs]
    assert sum(len(faces) for faces in theirs) > 5 + number
    overlaps, points, scores = [], [], []
    for found, expected in zip(ours, theirs, strict=True):
        for face in expected:
            twin = max(found, key=lambda other: other.box.iou(face.box))
            overlaps.append(twin.box.iou(face.box))
            points.append(np.abs(twin.landmarks - face.landmarks).max())
            scores.append(abs(twin.detection_score - face.detection_score))
    assert min(overlaps) > 0.99
    assert max(points) < 0.05
    assert max(scores) < 1e-3


@pytest.mark.shared_data
def test_scrfd_options_batches_and_faint_faces(shared: Path, group: Image) -> None:
    session = OnnxSession(convert((shared / "models" / RESEARCH_DETECTORS[0]).read_bytes(), "detector"), name="scrfd")
    detector = ScrfdDetector(session)
    tall = np.ascontiguousarray(group.transpose(1, 0, 2))
    together = detector.detect([group, tall, group, np.zeros((40, 30, 3), np.uint8)])
    assert [face.box for face in together[0]] == [face.box for face in together[2]]
    assert (len(together[0]), together[3]) == (6, [])
    ((clear, faint),) = ScrfdDetector(session, score_threshold=0.86).detect_faint([group], 0.5)
    assert {face.box for face in clear} | {face.box for face in faint} == {face.box for face in together[0]}
    assert clear
    assert faint
    for options in ({"score_threshold": 2.0}, {"nms_threshold": -1.0}, {"max_side": 16}):
        with pytest.raises(InvalidArgument):
            ScrfdDetector(session, **options)


def test_a_model_without_landmarks_is_refused() -> None:
    session = OnnxSession(open_pack("opencv").model_bytes("embedder"), name="sface")
    with pytest.raises(InferenceError, match="landmarks"):
        ScrfdDetector(session)


@pytest.mark.shared_data
def test_an_insightface_pack_gives_what_faceanalysis_gives(shared: Path, group: Image) -> None:
    from insightface.app import FaceAnalysis

    root = shared / "models" / "insightface"
    folder = root / "models" / "sc-int8"
    with pytest.raises(LicenseError):
        FaceAnalyzer.from_pack(folder)
    ours = FaceAnalyzer.from_pack(folder, use="research")
    assert ours.operating_point is None
    theirs = FaceAnalysis(name="sc-int8", root=str(root), providers=["CPUExecutionProvider"])
    theirs.prepare(ctx_id=-1, det_size=(640, 640))
    with pytest.warns(FutureWarning):  # insightface uses deprecated calls of scikit-image
        expected = theirs.get(group)
    (found,) = ours.analyze([group])
    assert len(found) == len(expected) == 6
    for other in expected:
        twin = max(found, key=lambda face: face.box.iou(Box(*map(float, other.bbox))))
        assert twin.box.iou(Box(*map(float, other.bbox))) > 0.99
        assert np.abs(twin.landmarks - other.kps).max() < 0.05
        assert twin.embedding is not None
        # The file is dynamically quantized; ours runs in float32 with its weights. Even two runs of the file itself on
        # crops that differ in one bit of one pixel score only about 0.996.
        assert float(twin.embedding @ other.normed_embedding) > 0.98


@pytest.mark.shared_data
@FEW_OR_MANY
def test_arcface_embeddings_equal_insightfaces_class_on_the_same_graph(
    shared: Path, group: Image, tmp_path: Path, number: int
) -> None:
    """insightface's own alignment, preprocessing and run of the float32 graph, on its six faces and LFW's."""
    from insightface.app.common import Face as InsightFace
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    ours = FaceAnalyzer.from_pack(shared / "models" / "insightface" / "models" / "sc-int8", use="research")
    assert ours.pack is not None
    graph = tmp_path / "w600k_mbf_float32.onnx"
    graph.write_bytes(ours.pack.model_bytes("embedder"))
    theirs = ArcFaceONNX(model_file=str(graph))
    theirs.prepare(-1)
    looked_at = pictures(shared, group, number)
    pairs = [(p, face) for p, faces in zip(looked_at, ours.analyze(looked_at), strict=True) for face in faces]
    embeddings = stacked([face for _, face in pairs])
    with pytest.warns(FutureWarning):  # insightface uses deprecated calls of scikit-image
        features = np.stack([theirs.get(picture, InsightFace(kps=face.landmarks)) for picture, face in pairs])
    cosines = (embeddings * features).sum(axis=1) / np.linalg.norm(features, axis=1)
    assert len(cosines) > 5 + number
    assert cosines.min() > 0.999


FAMILIES = {  # pack: file under the shared models, channels, mean, scale, lowest cosine to a plain run
    "retail-0095": ("embedders/face-reidentification-retail-0095.onnx", "bgr", 0.0, 1.0, 0.9999),
    "edgeface-xs": ("embedders/edgeface_xs_gamma_06_fp16w.onnx", "rgb", 127.5, 127.5, 0.9999),
    "sc-int8": ("insightface/models/sc-int8/w600k_mbf.onnx", "rgb", 127.5, 127.5, 0.98),
}


@pytest.fixture(scope="module")
def home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of its own, into which the shared embedders were pulled."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), use="research")
    folders = [shared / "models" / "embedders", open_pack("opencv").folder]
    for name in ("retail-0095", "edgeface-xs", "opencv-retail"):
        open_pack(name, settings=settings, folders=folders)
    return settings


@pytest.mark.shared_data
@pytest.mark.parametrize("name", FAMILIES)
def test_embeddings_equal_a_plain_run_of_the_published_file(
    shared: Path, home: Settings, group: Image, name: str
) -> None:
    file, channels, mean, scale, lowest = FAMILIES[name]
    pack = shared / "models" / "insightface" / "models" / name if name == "sc-int8" else name
    analyzer = FaceAnalyzer.from_pack(pack, settings=home)
    crops = analyzer.align(group, analyzer.detect([group])[0])
    pixels = crops[..., ::-1] if channels == "rgb" else crops
    blobs = ((pixels.astype(np.float32) - mean) / scale).transpose(0, 3, 1, 2).astype(np.float32)
    cosines = (analyzer.embed(crops) * plain_run(shared / "models" / file, blobs)).sum(axis=1)
    assert len(cosines) == 6
    assert cosines.min() > lowest


@pytest.mark.shared_data
def test_an_own_template_and_size_are_used(home: Settings, astronaut: Image) -> None:
    analyzer = FaceAnalyzer.from_pack("retail-0095", settings=home)
    (faces,) = analyzer.detect([astronaut])
    crops = analyzer.align(astronaut, faces)
    template = bundled_manifest("retail-0095").embedder.template_array()
    matrix = SimilarityTransform.from_estimate(faces[0].landmarks, template).params[:2]
    expected = cv2.warpAffine(astronaut, matrix, (128, 128))
    assert crops.shape == (1, 128, 128, 3)
    assert np.abs(crops[0].astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.shared_data
def test_an_ensembles_score_is_the_weighted_mean_of_its_members_cosines(
    home: Settings, group: Image, astronaut: Image
) -> None:
    ensemble = FaceAnalyzer.from_pack("opencv-retail", settings=home)
    assert isinstance(ensemble.embedder, EnsembleEmbedder)
    assert ensemble.contract.dimension == 384
    members = [FaceAnalyzer.from_pack(name, settings=home) for name in ("opencv", "retail-0095")]
    faces = [*ensemble.analyze([group])[0], *ensemble.analyze([astronaut])[0]]
    both = stacked(faces)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    singles = [
        np.concatenate([stacked(member.analyze([picture])[0]) for picture in (group, astronaut)]) for member in members
    ]
    mean = sum(single @ single.T for single in singles) / 2
    np.testing.assert_allclose(both @ both.T, mean, atol=1e-5)
    assert ensemble.operating_point is None


def test_weights_order_and_flip_are_part_of_the_contract() -> None:
    models = bundled_manifest("opencv-retail").embedders
    heavier = (models[0].model_copy(update={"weight": 3.0}), models[1])
    flipped = (models[0].model_copy(update={"flip": True}), models[1])
    digests = {ensemble_contract(m).digest for m in (models, models[::-1], heavier, flipped, models[:1], models[1:])}
    assert len(digests) == 6


def test_an_ensemble_needs_two_members() -> None:
    with pytest.raises(InvalidArgument, match="two members"):
        EnsembleEmbedder([])


def test_flip_averaging_makes_mirror_images_alike_and_another_contract(
    analyzer: FaceAnalyzer, astronaut: Image
) -> None:
    flipping = FaceAnalyzer.from_pack("opencv", flip=True)
    assert flipping.contract.digest != analyzer.contract.digest
    assert flipping.operating_point is None
    (faces,) = analyzer.detect([astronaut])
    crops = analyzer.align(astronaut, faces)
    mirrored = np.ascontiguousarray(crops[:, :, ::-1])
    np.testing.assert_allclose(flipping.embed(crops), flipping.embed(mirrored), atol=1e-5)
    sum_of_both = analyzer.embed(crops) + analyzer.embed(mirrored)
    expected = sum_of_both / np.linalg.norm(sum_of_both, axis=1, keepdims=True)
    np.testing.assert_allclose(flipping.embed(crops), expected, atol=1e-5)
    assert np.abs(analyzer.embed(crops) - analyzer.embed(mirrored)).max() > 1e-3


def test_a_pack_whose_file_has_no_public_source_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(PackUnavailable, match="face-reidentification-retail-0095") as caught:
        open_pack("opencv-retail", settings=Settings(home=tmp_path, offline=True))
    assert "--from" in str(caught.value)


def test_every_bundled_manifest_states_what_loading_needs() -> None:
    manifests: list[Manifest] = [bundled_manifest(name) for name in bundled_names()]
    assert len(manifests) >= 9
    assert [m.name for m in manifests] == list(bundled_names())
    commercial = {m.name for m in manifests if "commercial" in m.permitted_use}
    assert commercial == {"opencv", "opencv-fp32", "opencv-lightqnet", "retail-0095", "opencv-retail"}


class Outputs:
    """Stands for a session: each output is made from the input's shape."""

    name, input_shape = "odd.onnx", (0, 3, 112, 112)

    def __init__(self, *outputs: Any) -> None:
        self._outputs = outputs
        self.output_names = tuple(str(number) for number in range(len(outputs)))

    def run(self, tensor: NDArray[Any]) -> dict[str, Any]:
        return {name: make(tensor.shape) for name, make in zip(self.output_names, self._outputs, strict=True)}


def level(value: float, width: int, stride: int) -> Any:
    def make(shape: tuple[int, ...]) -> FloatArray:
        return np.full((shape[2] // stride * (shape[3] // stride) * 2, width), value, np.float32)

    return make


def test_outputs_that_are_not_scrfds_are_refused() -> None:
    for shape in ((7, 1), (), (0,), (1, 5, 4)):
        session: Any = Outputs(*[lambda _, shape=shape: np.zeros(shape, np.float32)] * 9)
        with pytest.raises(InferenceError, match="gave an output of shape"):
            ScrfdDetector(session).detect([np.zeros((64, 64, 3), np.uint8)])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("part", [1, 2])
def test_boxes_and_landmarks_that_are_not_finite_are_no_faces(bad: float, part: int) -> None:
    values = [0.9, 1.0, 1.0]
    values[part] = bad
    parts = [
        level(value, width, stride) for value, width in zip(values, (1, 4, 10), strict=True) for stride in (8, 16, 32)
    ]
    session: Any = Outputs(*parts)
    assert ScrfdDetector(session, max_side=64).detect([np.zeros((64, 64, 3), np.uint8)]) == [[]]
