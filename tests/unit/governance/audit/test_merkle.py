"""The tree against the published vectors of RFC 6962 and against another implementation."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from facematch.governance.audit.merkle import consistency_path, inclusion_path, peaks, range_root
from facematch.governance.audit.verifier import (
    EMPTY_ROOT,
    CompactRange,
    Malformed,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# Inputs and roots of the reference tests of Certificate Transparency (google/certificate-transparency, merkletree).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # (index from 0, size): path
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CONSISTENCY = {  # (old size, new size): path
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


class Stored:
    """Nodes as a database keeps them, with a count of reads."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.tree = CompactRange()
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.roots = [EMPTY_ROOT]
        self.reads = 0
        for leaf in leaves:
            new = {(level, position): node for level, position, node in self.tree.append(leaf)}
            assert not new.keys() & self.nodes.keys()
            self.nodes.update(new)
            self.roots.append(self.tree.root())

    def __call__(self, level: int, position: int) -> bytes:
        self.reads += 1
        return self.nodes[level, position]


def stored(size: int) -> Stored:
    return Stored([leaf_hash(b"%d" % number) for number in range(size)])


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_reference(size: int) -> None:
    leaves = [leaf_hash(data) for data in INPUTS[:size]]
    assert root_of(leaves).hex() == ROOTS[size]
    assert Stored(leaves).roots[-1].hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_paths_are_those_of_the_reference(index: int, size: int) -> None:
    tree = Stored([leaf_hash(data) for data in INPUTS[:size]])
    path = inclusion_path(index, size, tree)
    assert [step.hex() for step in path] == INCLUSION[index, size]
    assert verify_inclusion(leaf_hash(INPUTS[index]), index, size, path, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_paths_are_those_of_the_reference(old: int, new: int) -> None:
    tree = Stored([leaf_hash(data) for data in INPUTS[:new]])
    path = consistency_path(old, new, tree)
    assert [step.hex() for step in path] == CONSISTENCY[old, new]
    assert verify_consistency(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), path)


@pytest.mark.parametrize("size", range(1, 71))
def test_another_implementation_gives_the_same_roots_and_proofs(size: int) -> None:
    other = InmemoryTree(algorithm="sha256")
    for number in range(size):
        other.append_entry(b"%d" % number)
    tree = stored(size)
    paths = [[leaf_hash(b"%d" % index), *inclusion_path(index, size, tree)] for index in range(size)]
    assert paths == [other.prove_inclusion(index + 1).path for index in range(size)]
    roots = [other.get_root(old) for old in range(size + 1)]
    assert tree.roots == roots
    proofs = [(old, roots[old], size, roots[size], consistency_path(old, size, tree)) for old in range(size + 1)]
    assert [verify_consistency(*proof) for proof in proofs] == [True] * (size + 1)


@given(st.integers(0, 200), st.data())
def test_proofs_hold_for_every_place_and_for_no_other(size: int, data: st.DataObject) -> None:
    tree = stored(size)
    assert tree.roots[size] == by_definition([tree.nodes[0, position] for position in range(size)])
    old = data.draw(st.integers(0, size))
    steps = consistency_path(old, size, tree)
    assert verify_consistency(old, tree.roots[old], size, tree.roots[size], steps)
    assert not verify_consistency(old, tree.roots[old], size, leaf_hash(b"other"), steps) or old == 0 < size
    if size:
        index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
        path = inclusion_path(index, size, tree)
        leaf = tree.nodes[0, index]
        assert verify_inclusion(leaf, index, size, path, tree.roots[size])
        assert verify_inclusion(leaf, other, size, path, tree.roots[size]) == (other == index)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_a_spoilt_proof_is_refused(size: int) -> None:
    tree, root = stored(size), stored(size).roots[size]
    leaf = tree.nodes[0, 0]
    path = inclusion_path(0, size, tree)
    wrong = [
        (leaf_hash(b"other"), 0, size, path, root),
        (leaf, 0, size, [*path, leaf], root),
        (leaf, size, size, path, root),
        (leaf, -1, size, path, root),
        (leaf, 0, size, path, leaf_hash(b"other")),
        *((leaf, 0, size, [*path[:at], leaf_hash(b"x"), *path[at + 1 :]], root) for at in range(len(path))),
        *((leaf, 0, size, path[:at], root) for at in range(len(path))),
    ]
    assert [verify_inclusion(*proof) for proof in wrong] == [False] * len(wrong)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (3, 7), (4, 8), (6, 8), (5, 13), (8, 13)])
def test_a_spoilt_consistency_proof_is_refused(old: int, new: int) -> None:
    tree = stored(new)
    path = consistency_path(old, new, tree)
    first, second, x = tree.roots[old], tree.roots[new], leaf_hash(b"x")
    wrong = [
        (old, x, new, second, path),
        (old, first, new, x, path),
        (old, first, new, second, [*path, x]),
        (old, first, new, second, []),
        (new, second, old, first, path),
        (-1, first, new, second, path),
        *((old, first, new, second, [*path[:at], x, *path[at + 1 :]]) for at in range(len(path))),
    ]
    assert [verify_consistency(*proof) for proof in wrong] == [False] * len(wrong)
    assert not verify_consistency(new, second, new, second, [x])
    assert not verify_consistency(0, x, new, second, [])


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 1000, 4097])
def test_appending_and_proving_read_a_logarithm_of_the_tree(size: int) -> None:
    assert len(peaks(size)) <= size.bit_length()
    tree = stored(size)
    inclusion_path(size // 3, size, tree)
    assert tree.reads <= 2 * size.bit_length()


@given(st.integers(1, 300))
def test_peaks_are_the_stored_roots_that_an_append_needs(size: int) -> None:
    tree = stored(size)
    again = CompactRange(size, [tree(level, position) for level, position in peaks(size)])
    assert again.peaks == tree.tree.peaks
    assert again.root() == range_root(0, size, tree) == tree.roots[size]
    assert range_root(size, size, tree) == EMPTY_ROOT
    assert again.append(leaf_hash(b"next")) == tree.tree.append(leaf_hash(b"next"))


def test_a_node_and_a_leaf_of_the_same_bytes_differ() -> None:
    left, right = leaf_hash(b"l"), leaf_hash(b"r")
    assert node_hash(left, right) != leaf_hash(left + right)


def test_a_tree_needs_as_many_peaks_as_its_size_has_bits() -> None:
    with pytest.raises(Malformed, match="2 peaks, got 1"):
        CompactRange(5, [EMPTY_ROOT])
