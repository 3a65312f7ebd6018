from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import VectorIndexError
from facematch.index import costs as costs_module
from facematch.index.coarse import CoarseKind
from facematch.index.costs import Cost, CostTable
from facematch.settings import Settings

MEASURED = (
    Cost("exact", 128, 1_000, 1.0, 1.0),
    Cost("exact", 128, 5_000, 9.0, 1.0),
    Cost("ivf", 128, 1_000, 2.0, 1.0),
    Cost("ivf", 128, 5_000, 4.0, 1.0),
    Cost("pq", 128, 1_000, 0.5, 0.9),
    Cost("hnsw", 512, 1_000, 0.1, 1.0),
    Cost("exact", 512, 1_000, 4.0, 1.0),
)


def test_a_table_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "new" / "costs.json"
    assert CostTable(MEASURED).store(path) == path
    assert CostTable.of_this_machine(path).costs == MEASURED
    assert CostTable(MEASURED[:2]).store(path) == path
    assert CostTable.of_this_machine(path).costs == MEASURED[:2]
    assert [each.name for each in path.parent.iterdir()] == ["costs.json"]


def test_the_table_of_this_machine_lies_in_the_home_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMATCH_HOME", str(tmp_path / "home"))
    published = CostTable().costs
    assert len(published) > 0
    assert CostTable.of_this_machine().costs == published
    assert CostTable(MEASURED).store().parent == Settings().home == tmp_path / "home"
    assert CostTable.of_this_machine().costs == MEASURED


def _row(**changed: Any) -> dict[str, Any]:
    return {"kind": "exact", "dimension": 128, "size": 1000, "milliseconds": 1.0, "recall": 1.0} | changed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "5",
        "null",
        '"text"',
        "[[1]]",
        "[{}]",
        "\udce4",
        *(
            json.dumps([_row(), _row(**damage)])
            for damage in (
                {"size": 0},
                {"size": -5},
                {"size": "1000"},
                {"size": 10.5},
                {"dimension": 0},
                {"dimension": True},
                {"dimension": None},
                {"milliseconds": -1.0},
                {"milliseconds": float("nan")},
                {"milliseconds": float("inf")},
                {"milliseconds": "1"},
                {"recall": 1.5},
                {"recall": -0.1},
                {"recall": [1]},
                {"kind": 3},
                {"more": 1},
            )
        ),
    ],
)
def test_a_damaged_file_is_as_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert CostTable.of_this_machine(path).costs == CostTable().costs
    path.write_text(json.dumps([_row(milliseconds=2)]))
    assert CostTable.of_this_machine(path).costs == (Cost("exact", 128, 1000, 2.0, 1.0),)


def test_a_table_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "costs.json"
    target.write_text("[]")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(VectorIndexError, match="No space left"):
        CostTable(MEASURED).store(target)
    assert [each.name for each in tmp_path.iterdir()] == ["costs.json"]
    assert target.read_text() == "[]"
    with pytest.raises(VectorIndexError, match="cannot be written"):
        CostTable(MEASURED).store(target / "below")


@pytest.mark.parametrize(
    ("kind", "size", "milliseconds"),
    [
        ("exact", 1_000, 1.0),
        ("exact", 500, 0.5),  # in proportion below the smallest
        ("exact", 3_000, 5.0),  # 1 + (9 - 1) * 2000 / 4000
        ("exact", 5_000, 9.0),
        ("exact", 10_000, 18.0),  # in proportion beyond the largest
        ("ivf", 500, 2.0),  # codes do not get quicker
        ("ivf", 2_000, 2.5),  # 2 + (4 - 2) * 1000 / 4000
        ("ivf", 20_000, 16.0),
        ("hnsw", 1_000, None),
    ],
)
def test_costs_between_and_beyond_what_was_measured(kind: str, size: int, milliseconds: float | None) -> None:
    assert CostTable(MEASURED)._expected(kind, 128, size, 0.0) == milliseconds


@pytest.mark.parametrize(
    ("dimension", "size", "recall", "kind"),
    [
        (128, 1_000, 0.999, None),  # exact 1.0, ivf 2.0
        (128, 5_000, 0.999, "ivf"),  # exact 9.0, ivf 4.0
        (128, 5_000, 0.95, "pq"),  # 0.5 * 5: its recall of 0.9 is near 0.95
        (128, 5_000, 0.96, "ivf"),  # but not near 0.96
        (100, 5_000, 0.999, "ivf"),  # 128 is the nearest
        (400, 1_000, 0.999, "hnsw"),  # 512 is the nearest
        (4096, 9_000, 0.999, "hnsw"),
    ],
)
def test_the_cheapest_kind_with_the_recall(dimension: int, size: int, recall: float, kind: CoarseKind | None) -> None:
    assert CostTable(MEASURED).cheapest(dimension, size, recall) == kind


def test_the_published_table_scans_small_galleries_and_codes_large_ones() -> None:
    table = CostTable(())
    assert table.costs == costs_module._PUBLISHED
    assert table.cheapest(128, 1_000, 0.999) is None
    assert table.cheapest(128, 1_000_000, 0.999) is not None
