"""Against a real Milvus Lite: its engine behind its own gRPC server, on a file in a temporary folder."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.db import MilvusLite
from milvus_lite.server_manager import server_manager_instance
from numpy.typing import NDArray
from pymilvus import MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

from facematch.errors import InvalidArgument, MissingExtra, VectorIndexError
from facematch.index.milvus import MilvusIndex, search, sweep_collections
from facematch.index.milvus.collection import takes_templates
from facematch.index.milvus.filters import Scope
from facematch.protocols import VectorIndex
from facematch.testing import OracleIndex, check_vector_index, contract
from facematch.testing.comparison import ComparedIndex, Tally
from facematch.types import FloatArray, IdSet
from tests.unit.watchlist.support import open_bench

Open = Callable[..., MilvusIndex]
Ids = NDArray[np.int64]


class FailingServicer(MilvusServicer):  # type: ignore[misc]  # pymilvus has no types
    """Milvus Lite that refuses the requests it is told to."""

    def __init__(self, db: MilvusLite) -> None:
        super().__init__(db)
        self.refused: set[str] = set()
        self.inserts_until_failure = -1

    def Insert(self, request: Any, context: Any) -> Any:  # noqa: N802  # the names of Milvus's protocol
        self.inserts_until_failure -= 1
        if self.inserts_until_failure == -1:
            return milvus_pb2.MutationResult(status=_refusal())
        return super().Insert(request, context)

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        if "Delete" in self.refused:
            return milvus_pb2.MutationResult(status=_refusal())
        return super().Delete(request, context)

    def CreateIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        return _refusal() if "CreateIndex" in self.refused else super().CreateIndex(request, context)

    def DropCollection(self, request: Any, context: Any) -> Any:  # noqa: N802
        return _refusal() if "DropCollection" in self.refused else super().DropCollection(request, context)


def _refusal() -> Any:
    return common_pb2.Status(code=1, error_code=1, reason="the disk is full")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = str(tmp_path_factory.mktemp("milvus") / "milvus.db")
    yield path
    server_manager_instance.release_server(path)


@pytest.fixture
def opened(uri: str) -> Iterator[Open]:
    with ExitStack() as stack:

        def make(dimension: int, **options: Any) -> MilvusIndex:
            return stack.enter_context(MilvusIndex(dimension, **{"uri": uri, **options}))

        yield make


@pytest.fixture
def client(uri: str) -> Iterator[MilvusClient]:
    made = MilvusClient(uri=uri, dedicated=True)
    yield made
    made.close()


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[tuple[str, FailingServicer]]:
    db = MilvusLite(str(tmp_path / "failing"))
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4), options=[("grpc.max_receive_message_length", 64 << 20)]
    )
    servicer = FailingServicer(db)
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", servicer
    server.stop(grace=2).wait()
    db.close()


def _units(count: int, dimension: int, seed: int = 0) -> FloatArray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension))
    units: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


def _ids(*values: int) -> Ids:
    return np.asarray(values, dtype=np.int64)


def _rows(client: MilvusClient, collection: str) -> int:
    return int(client.query(collection, output_fields=["count(*)"])[0]["count(*)"])


@pytest.mark.slow
@pytest.mark.parametrize(("dimension", "seed"), [(3, 2), (16, 3), (128, 4)])
def test_the_index_keeps_the_contract(opened: Open, dimension: int, seed: int) -> None:
    check_vector_index(opened, dimension=dimension, seed=seed)


@pytest.mark.parametrize(
    ("part", "dimension"),
    [
        (contract._check_changes, 16),
        (contract._check_scopes, 128),
        pytest.param(contract._check_ties, 3, marks=pytest.mark.slow),
        (contract._check_near_ties, 16),
        (contract._check_far_sides, 128),
        (contract._check_refusals, 3),
    ],
)
def test_the_index_keeps_each_part_of_the_contract(opened: Open, part: Callable[..., None], dimension: int) -> None:
    part(ComparedIndex(opened(dimension), dimension, Tally(1.0), np.random.default_rng(3)))


def test_the_index_keeps_the_protocol(opened: Open) -> None:
    index = opened(4)
    assert isinstance(index, VectorIndex)
    assert index.dimension == 4
    assert index.view() is index


def test_the_kth_place_may_lie_in_a_tie_and_queries_may_be_many(opened: Open) -> None:
    compared = ComparedIndex(opened(3), 3, Tally(1.0), np.random.default_rng(3))
    few, ids = compared.unit(3), np.arange(120, dtype=np.int64)
    which = np.where(ids < 90, 0, ids % 3)
    compared.add(ids, few[which])
    members = ids[which == 0]
    asked: list[tuple[int, Any]] = [(1, None), (70, None), (7, members[-20:].copy()), (3, IdSet(members[1::2].copy()))]
    compared.best(few[:1], [*asked, (121, None)], "a tie of ninety")
    compared.remove(members[:5])
    compared.best(few[:1], asked, "a tie of ninety after remove()")
    compared.best(compared.unit(80), [(2, None), (2, IdSet(ids[:40].copy()))], "80 queries")


def test_session_consistency_sees_each_change_as_well(opened: Open) -> None:
    index = opened(16, consistency="Session")
    contract._check_changes(ComparedIndex(index, 16, Tally(1.0), np.random.default_rng(5)))


@pytest.mark.slow
def test_session_consistency_keeps_the_contract_as_well(opened: Open) -> None:
    check_vector_index(lambda dimension: opened(dimension, consistency="Session"), dimension=16, seed=5)


def test_scores_and_order_are_the_oracles_to_the_bit(opened: Open) -> None:
    vectors, queries = _units(1000, 64), _units(5, 64, seed=1)
    vectors[500:600] = vectors[:100]
    queries[:2] = vectors[:2]
    ids = np.random.default_rng(5).permutation(3000)[:1000].astype(np.int64)
    oracle, index = OracleIndex(64), opened(64)
    oracle.add(ids, vectors)
    index.add(ids, vectors)
    few = IdSet(ids[:40].copy())
    for allowed in (None, few, few, IdSet(ids), IdSet(ids[7:].copy()), ids[::2].copy(), ids[:1].copy(), _ids(9001)):
        for k in (1, 6, 50):
            for left, right in zip(
                oracle.search(queries, k, allowed=allowed), index.search(queries, k, allowed=allowed), strict=True
            ):
                np.testing.assert_array_equal(left, right)
        for threshold in (0.2, float(oracle.search(queries, 5)[0][0, 4]), -2.0):
            wanted = oracle.search_above(queries, threshold, allowed=allowed)
            found = index.search_above(queries, threshold, allowed=allowed)
            np.testing.assert_array_equal(wanted.offsets, found.offsets)
            np.testing.assert_array_equal(wanted.scores, found.scores)
            np.testing.assert_array_equal(wanted.ids, found.ids)


def test_vectors_of_any_length_are_ranked_like_the_oracle(opened: Open) -> None:
    vectors = 1000 * np.random.default_rng(1).standard_normal((400, 8)).astype(np.float32)
    vectors[200:] = vectors[:200] * np.float32(1 + 1e-7)
    ids = np.arange(400, dtype=np.int64)
    oracle, index = OracleIndex(8), opened(8)
    oracle.add(ids, vectors)
    index.add(ids, vectors)
    for left, right in zip(oracle.search(vectors[:20], 3), index.search(vectors[:20], 3), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("limit", [800, pytest.param(16_000, marks=pytest.mark.slow)])
def test_a_tie_beyond_the_limit_of_one_reply_is_complete(
    opened: Open, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit < 16_000:
        monkeypatch.setattr(search, "MAX_PLACES", limit)
    count = limit * 5 // 2
    index = opened(2)
    ids = np.random.default_rng(3).permutation(count).astype(np.int64)
    index.add(ids, np.tile(np.asarray([[0.6, 0.8]], dtype=np.float32), (count, 1)))
    query = np.asarray([[0.0, 1.0]], dtype=np.float32)
    scores, found = index.search(query, 3)
    assert found[0].tolist() == [0, 1, 2]
    assert len(set(scores[0].tolist())) == 1
    allowed = np.arange(0, limit * 17 // 8, 2, dtype=np.int64)
    assert index.search_above(query, float(scores[0, 0]), allowed=allowed).ids.tolist() == allowed.tolist()


def test_a_scope_is_told_in_the_shorter_way() -> None:
    ids = np.arange(10, 20, dtype=np.int64)
    first = ids < 13
    assert Scope(ids, None, templates=True).everything == {}
    assert Scope(ids, ids > 0, templates=True).everything == {}
    assert Scope(ids, ids < 0, templates=True).everything is None
    assert Scope(ids[:0], None, templates=True).everything is None
    few, many = Scope(ids, first, templates=True), Scope(ids, ~first, templates=True)
    assert few.everything == {"filter": "template_id in {ids}", "filter_params": {"ids": [10, 11, 12]}}
    assert many.everything == {"filter": "template_id not in {ids}", "filter_params": {"ids": [10, 11, 12]}}
    assert Scope(ids, first, templates=False).everything == {"filter": "template_id in [10, 11, 12]"}
    assert few.between(5, 9) is None
    assert few.between(0, 3) == {"filter": "template_id >= 10 and template_id <= 12"}
    part = "template_id >= 10 and template_id <= 19 and template_id in [10, 11, 12]"
    assert Scope(ids, first, templates=False).between(0, 10) == {"filter": part}


@pytest.mark.parametrize(
    ("version", "takes"),
    [("v2.5.0", True), ("2.6.3", True), ("3.0.0", True), ("v2.4.9", False), ("milvus_lite-3.2.2", False)],
)
def test_only_servers_that_take_templates_get_them(version: str, takes: bool) -> None:
    assert takes_templates(version) is takes


def test_who_may_reach_nobody_is_answered_without_the_server(opened: Open, client: MilvusClient) -> None:
    index = opened(4)
    index.add(_ids(1), _units(1, 4))
    client.drop_collection(index.collection)
    scores, ids = index.search(_units(2, 4), 2, allowed=_ids(2))
    assert ids.tolist() == [[-1, -1], [-1, -1]]
    assert np.isneginf(scores).all()
    assert len(index.search_above(_units(2, 4), 0.1, allowed=IdSet(_ids())).ids) == 0


def test_a_collection_that_somebody_dropped_is_an_error_that_says_so(opened: Open, client: MilvusClient) -> None:
    index = opened(4)
    index.add(_ids(1), _units(1, 4))
    client.drop_collection(index.collection)
    with pytest.raises(VectorIndexError, match="open a new index"):
        index.search(_units(1, 4), 1)
    with pytest.raises(VectorIndexError, match="could not insert"):
        index.add(_ids(2), _units(1, 4))
    assert len(index) == 1


def test_vectors_come_back_as_they_were_added(opened: Open) -> None:
    index, vectors = opened(16), _units(30, 16)
    index.add(np.arange(30, dtype=np.int64), vectors)
    np.testing.assert_array_equal(index.vectors(_ids(7, 3, 7, 29)), vectors[[7, 3, 7, 29]])
    assert index.vectors(_ids()).shape == (0, 16)
    index.remove(_ids(3))
    with pytest.raises(VectorIndexError, match="not in the index"):
        index.vectors(_ids(7, 3))


def test_figures_tell_what_lies_where(opened: Open) -> None:
    index = opened(16)
    index.add(np.arange(30, dtype=np.int64), _units(30, 16))
    index.remove(_ids(1, 2, 99))
    stats = index.stats()
    assert (stats.kind, stats.vectors, stats.dimension, stats.removed) == ("milvus", 28, 16, 2)
    assert stats.vector_bytes == 28 * 16 * 4
    assert stats.total_bytes == stats.vector_bytes + stats.details["local_bytes"]
    assert stats.details["collection"] == index.collection
    assert stats.details["index_type"] == "FLAT"


def test_compaction_forgets_what_was_removed_and_nothing_else(opened: Open) -> None:
    index, vectors = opened(16), _units(30, 16)
    index.add(np.arange(30, dtype=np.int64), vectors)
    index.remove(np.arange(10, dtype=np.int64))
    index.compact()
    assert index.stats().removed == 0
    assert index.search(vectors[:1], 30)[1][0, :20].min() == 10
    assert index.search(vectors[20:21], 1)[1].tolist() == [[20]]


def test_another_index_type_can_be_chosen(opened: Open) -> None:
    index = opened(
        16, index_type="HNSW", index_params={"M": 16, "efConstruction": 100}, search_params={"ef": 64}, timeout=20
    )
    vectors = _units(500, 16)
    index.add(np.arange(500, dtype=np.int64), vectors)
    index.compact()  # writes the segment that the graph is built over
    assert index.search(vectors[:20], 1)[1][:, 0].tolist() == list(range(20))
    assert index.stats().details["index_type"] == "HNSW"


def test_an_add_that_fails_midway_adds_nothing(failing: tuple[str, FailingServicer]) -> None:
    uri, servicer = failing
    vectors = _units(20_000, 2)
    ids = np.arange(20_000, dtype=np.int64)
    with MilvusIndex(2, uri=uri) as index:
        index.add(_ids(50_000), vectors[:1])
        servicer.inserts_until_failure = 1
        with pytest.raises(VectorIndexError, match="could not insert vectors: the disk is full"):
            index.add(ids, vectors)
        assert len(index) == 1
        assert index.search(vectors[:1], 2)[1].tolist() == [[50_000, -1]]
        client = MilvusClient(uri=uri, dedicated=True)
        assert _rows(client, index.collection) == 1
        client.close()
        index.add(ids[:5], vectors[:5])
        assert len(index) == 6


def test_rows_that_could_not_be_taken_back_are_never_returned_and_deleted_later(
    failing: tuple[str, FailingServicer],
) -> None:
    uri, servicer = failing
    same = np.tile(np.asarray([[0.6, 0.8]], dtype=np.float32), (20_000, 1))
    ids = np.arange(20_000, dtype=np.int64)
    with MilvusIndex(2, uri=uri) as index:
        index.add(_ids(50_000), same[:1])
        servicer.inserts_until_failure, servicer.refused = 1, {"Delete"}
        with pytest.raises(VectorIndexError, match="could not insert"):
            index.add(ids, same)
        client = MilvusClient(uri=uri, dedicated=True)
        assert _rows(client, index.collection) == 16_385
        assert index.search(same[:1], 2)[1].tolist() == [[50_000, -1]]  # though the strays crowd it out of every reply
        with pytest.raises(VectorIndexError, match="could not delete"):
            index.add(_ids(60_000), same[:1])
        servicer.refused = set()
        index.add(ids[:3], same[:3])
        assert _rows(client, index.collection) == 4
        assert index.search(same[:1], 5)[1].tolist() == [[0, 1, 2, 50_000, -1]]
        client.close()


def test_a_removal_holds_even_if_the_server_fails(failing: tuple[str, FailingServicer]) -> None:
    uri, servicer = failing
    vectors = _units(3, 4)
    with MilvusIndex(4, uri=uri) as index:
        index.add(_ids(1, 2, 3), vectors)
        servicer.refused = {"Delete"}
        with pytest.raises(VectorIndexError, match="could not delete vectors"):
            index.remove(_ids(2))
        assert len(index) == 2
        assert 2 not in index.search(vectors, 3)[1]
        with pytest.raises(VectorIndexError):
            index.vectors(_ids(2))
        servicer.refused = set()
        assert index.remove(_ids(2)) == 0  # it is tried again
        client = MilvusClient(uri=uri, dedicated=True)
        assert _rows(client, index.collection) == 2
        client.close()


def test_nothing_removed_comes_back_while_others_search(opened: Open) -> None:
    index, vectors = opened(8), _units(300, 8)
    index.add(np.arange(300, dtype=np.int64), vectors)
    removed: set[int] = set()
    wrong: list[set[int]] = []
    done = threading.Event()

    def look(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not done.is_set():
            before = set(removed)
            queries = vectors[rng.integers(0, 300, 2)]
            found = set(index.search(queries, 5)[1].ravel().tolist()) | set(
                index.search_above(queries, 0.7).ids.tolist()
            )
            if found & before:
                wrong.append(found & before)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for victim in range(200):
        assert index.remove(_ids(victim)) == 1
        removed.add(victim)
        if victim % 20 == 0:
            index.add(_ids(1000 + victim), vectors[victim : victim + 1])
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(index) == 110


def test_an_index_that_cannot_be_made_leaves_nothing_behind(
    failing: tuple[str, FailingServicer],
) -> None:
    uri, servicer = failing
    servicer.refused = {"CreateIndex"}
    with pytest.raises(VectorIndexError, match="could not create a collection: the disk is full"):
        MilvusIndex(4, uri=uri)
    assert sweep_collections(uri) == []


@pytest.mark.parametrize("dimension", [0, -1, 1, 2.5, "3", True, None, 40_000])
def test_bad_dimensions_are_refused(uri: str, dimension: Any) -> None:
    with pytest.raises(VectorIndexError):
        MilvusIndex(dimension, uri=uri)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"uri": ""}, "uri must be text"),
        ({"uri": None}, "uri must be text"),
        ({"uri": "ftp://somewhere"}, "could not open a connection"),
        ({"uri": "http://localhost:many"}, "not a Milvus address"),
        ({"uri": "/no/such/folder/milvus.db"}, "could not open a connection"),
        ({"prefix": "9lives"}, "prefix"),
        ({"prefix": "a-b"}, "prefix"),
        ({"prefix": ""}, "prefix"),
        ({"consistency": "Eventually"}, "consistency"),
    ],
)
def test_what_cannot_be_opened_is_refused(uri: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(VectorIndexError, match=said) as caught:
        MilvusIndex(4, **{"uri": uri, **options})
    assert caught.value.hint


def test_credentials_do_not_belong_into_the_address() -> None:
    with pytest.raises(VectorIndexError, match="no credentials") as caught:
        MilvusIndex(4, uri="https://root:secret@milvus.example")
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_an_error_in_good_time() -> None:
    with pytest.raises(VectorIndexError, match="could not open a connection") as caught:
        MilvusIndex(4, uri="http://127.0.0.1:1", token="root:secret", timeout=1)
    assert "reachable" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_that_goes_away_is_an_error_in_good_time(tmp_path: Path) -> None:
    db = MilvusLite(str(tmp_path / "leaving"))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(db), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    index = MilvusIndex(4, uri=f"http://127.0.0.1:{port}", timeout=1)
    index.add(_ids(1), _units(1, 4))
    server.stop(grace=None).wait()
    with pytest.raises(VectorIndexError, match="could not search"):
        index.search(_units(1, 4), 1)
    with pytest.raises(VectorIndexError, match="could not drop"):
        index.close()
    index.close()
    db.close()


def test_the_missing_extra_is_named(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(MissingExtra, match=r"facematch-watchlist\[milvus\]"):
        MilvusIndex(4, uri=uri)


def test_the_module_is_imported_without_pymilvus() -> None:
    code = "import sys, facematch.index.milvus; sys.exit('pymilvus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_collection_lives_as_long_as_the_index(uri: str, client: MilvusClient) -> None:
    index = MilvusIndex(4, uri=uri, prefix="closing")
    name = index.collection
    assert client.has_collection(name)
    index.close()
    index.close()
    assert not client.has_collection(name)
    for call in (
        lambda: index.search(_units(1, 4), 1),
        lambda: index.search_above(_units(1, 4), 0.1),
        lambda: index.add(_ids(1), _units(1, 4)),
        index.compact,
    ):
        with pytest.raises(VectorIndexError, match="closed"):
            call()


def test_a_forgotten_index_takes_its_collection_along(uri: str, client: MilvusClient) -> None:
    index = MilvusIndex(4, uri=uri, prefix="forgotten")
    name = index.collection
    index.add(_ids(1), _units(1, 4))
    index.search(_units(1, 4), 1)
    del index
    gc.collect()
    assert not client.has_collection(name)


def test_a_collection_that_cannot_be_dropped_is_logged(
    failing: tuple[str, FailingServicer], caplog: pytest.LogCaptureFixture
) -> None:
    uri, servicer = failing
    index = MilvusIndex(4, uri=uri)
    servicer.refused = {"DropCollection"}
    with caplog.at_level(logging.WARNING, logger="facematch.index.milvus"):
        del index
        gc.collect()
    assert "a collection was left behind" in caplog.text


def test_only_collections_that_were_left_behind_are_swept(uri: str, client: MilvusClient) -> None:
    left, kept = f"sweeping_{'0' * 32}", f"sweeping_{'1' * 32}"
    others = ["sweeping", "sweeping_mine", f"sweeping_site_{'0' * 32}", f"other_{'0' * 32}"]
    for name in (left, kept, *others):
        client.create_collection(name, dimension=4)
    with MilvusIndex(4, uri=uri, prefix="sweeping") as index:
        assert sweep_collections(uri, prefix="sweeping", keep=[kept, index.collection]) == [left]
        names = set(client.list_collections())
        assert {kept, index.collection, *others} <= names
        assert left not in names
    for name in (kept, *others):
        client.drop_collection(name)
    with pytest.raises(VectorIndexError, match="prefix"):
        sweep_collections(uri, prefix=".*")


def test_a_watchlist_lives_on_it_and_forgets_who_withdraws(uri: str, client: MilvusClient, tmp_path: Path) -> None:
    made: list[str] = []

    def new_index(dimension: int) -> MilvusIndex:
        index = MilvusIndex(dimension, uri=uri, prefix="watchlist")
        made.append(index.collection)
        return index

    with open_bench(tmp_path / "watchlist.db", index=new_index) as bench:
        bench.enroll("s-1", 1)
        bench.enroll("s-2", 2)
        bench.enroll("s-3", 3)
        assert bench.found(1) == ["s-1"]
        assert bench.found(1, site="elsewhere") == []
        assert _rows(client, made[-1]) == 3
        bench.watchlist.withdraw("s-1", reason="left")
        assert bench.found(1) == []
        assert bench.found(2) == ["s-2"]
        bench.watchlist.erase("s-1", reason="asked for it")
        bench.watchlist.erase("s-2", reason="asked for it")
        assert bench.found(1) == bench.found(2) == []
        assert bench.found(3) == ["s-3"]
        assert _rows(client, made[-1]) == 1
    gc.collect()
    assert not any(client.has_collection(name) for name in made)
    with open_bench(tmp_path / "watchlist.db", index=new_index) as bench:
        assert bench.found(3) == ["s-3"]
        assert bench.found(1) == []


def test_an_index_is_named_only_with_an_address(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument), open_bench(tmp_path / "watchlist.db", index="milvus"):
        pass
