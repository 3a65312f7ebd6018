"""The pipeline's benchmark: what it counts, what it refuses, and that its sides agree."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from pipeline.measure import WORKLOADS, compare, measure_pipeline
from pipeline.peers import Peer, Seen, peer_of
from pipeline.scenes import crowd, group, singles
from pipeline.work import multiplications

from facematch.errors import InferenceError, InvalidArgument
from facematch.faces import FaceAnalyzer
from facematch.models import open_pack
from facematch.types import Face


def _model(nodes: list[NodeProto], weights: dict[str, tuple[int, ...]]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(shape, dtype=np.float32), name) for name, shape in weights.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("other", 1)], ir_version=9
    )
    return bytes(model.SerializeToString())


def test_multiplications_of_a_convolution_and_a_product() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"], group=8),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "m"], ["y"], transB=1),
    ]
    model = _model(nodes, {"w": (8, 3, 3, 3), "v": (8, 1, 1, 1), "m": (5, 8 * 4 * 6)})
    first, depthwise, product = 8 * 4 * 6 * 3 * 9, 8 * 4 * 6, 5 * 8 * 4 * 6
    assert multiplications(model, (2, 3, 8, 12)) == 2 * (first + depthwise + product)


def test_sface_takes_as_many_multiplications_as_its_publishers_say() -> None:
    model = open_pack("opencv").model_bytes("embedder", 0, "openvino")
    assert round(multiplications(model, (1, 3, 112, 112)) / 1e6) == 574


def test_a_shape_that_nobody_knows_is_an_error() -> None:
    nodes = [helper.make_node("Strange", ["x"], ["a"], domain="other"), helper.make_node("MatMul", ["a", "w"], ["y"])]
    with pytest.raises(ValueError, match="cannot be inferred"):
        multiplications(_model(nodes, {"w": (3, 3)}), (1, 3, 8, 8))


@pytest.fixture(scope="module")
def analyzer() -> FaceAnalyzer:
    return FaceAnalyzer.from_pack("opencv")


def test_the_pictures_hold_the_faces_that_they_should(analyzer: FaceAnalyzer) -> None:
    (faces,) = analyzer.detect([group()])
    assert len(faces) == 6
    assert len(analyzer.detect([crowd(group())])[0]) == 30
    alone = singles(group(), faces, 64)
    assert len({picture.tobytes() for picture in alone}) == 64
    assert [len(found) for found in analyzer.detect(alone)] == [1] * 64


@pytest.mark.parametrize(
    "workloads", [{"one": 1}, {"six": 6}, pytest.param({"one": 1, "six": 6}, marks=pytest.mark.slow)], ids="-".join
)
def test_what_is_measured_is_plain_data(workloads: dict[str, int]) -> None:
    steps: list[tuple[int, int | None]] = []
    result = measure_pipeline(
        workloads=tuple(workloads), rounds=1, progress=lambda done, total: steps.append((done, total))
    )
    document = result.to_dict()
    assert document["peer"].startswith("OpenCV ")
    assert steps[-1][0] == steps[-1][1]
    for name, faces in workloads.items():
        assert document["workloads"][name]["faces"] == faces
        assert document[f"ratio_vs_peer_{name}"] > 0
        assert document[f"ratio_vs_peer_{name}_single_thread"] > 0
        assert document[f"thread_scaling_{name}"] > 0
    assert sum(document["share"].values()) == pytest.approx(1.0)
    assert 0.0 < document["overhead_share"] < 1.0
    assert document["embedder_multiplications"] == 574_138_880
    assert document["embedder_share_of_product"] > 0


def test_without_the_other_library() -> None:
    document = measure_pipeline(workloads=("one",), rounds=1, beside=False).to_dict()
    assert document["peer"] is None
    assert document["ratio_vs_peer_one"] is None


@pytest.mark.parametrize(("workloads", "rounds"), [((), 1), (("seven",), 1), (WORKLOADS, 0)])
def test_what_cannot_be_measured_is_refused(workloads: tuple[str, ...], rounds: int) -> None:
    with pytest.raises(InvalidArgument):
        measure_pipeline(workloads=workloads, rounds=rounds)


def test_libraries_that_see_other_faces_are_not_compared(analyzer: FaceAnalyzer) -> None:
    ours = analyzer.analyze([group()])
    with ExitStack() as stack:
        pack = analyzer.pack
        assert pack is not None
        peer = peer_of(pack, 1, stack)
        assert peer is not None
        (seen,) = peer.analyze([group()])
    compare(ours, [seen], peer, "six")
    _assert_refused(ours, Seen(seen.boxes[1:], seen.embeddings[1:]), peer)
    twice = [[ours[0][0], *ours[0][:5]]]
    _assert_refused(twice, seen, peer)
    _assert_refused(ours, Seen(seen.boxes + 5, seen.embeddings), peer)
    _assert_refused(ours, Seen(seen.boxes, np.roll(seen.embeddings, 1, axis=0)), peer)


def _assert_refused(ours: list[list[Face]], seen: Seen, peer: Peer) -> None:
    with pytest.raises(InferenceError, match="OpenCV"):
        compare(ours, [seen], peer, "six")


def test_a_pack_of_several_embedders_is_refused_before_anything_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    from_pack = FaceAnalyzer.from_pack

    def doubled(name: str, **options: Any) -> FaceAnalyzer:
        analyzer = from_pack(name, **options)
        assert analyzer.pack is not None
        manifest = analyzer.pack.manifest
        twice = manifest.model_copy(update={"embedders": 2 * manifest.embedders})
        analyzer.pack = dataclasses.replace(analyzer.pack, manifest=twice)
        return analyzer

    monkeypatch.setattr(FaceAnalyzer, "from_pack", doubled)
    turns: list[int] = []
    with pytest.raises(InvalidArgument, match="more than one"):
        measure_pipeline("opencv", progress=lambda done, _: turns.append(done))
    assert turns == []
