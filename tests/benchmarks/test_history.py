"""The history of benchmarks: ratios are read, drawn, and a fall is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import history
import pytest
from PIL import Image as PillowImage


def save(folder: Path, day: int, commit: str, ratios: dict[str, dict[str, float]], *, dirty: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "datetime": f"2026-01-{day:02}T12:00:00+00:00",
        "commit_info": {"id": commit * 5, "dirty": dirty},
        "benchmarks": [{"name": name, "extra_info": info} for name, info in ratios.items()],
    }
    (folder / f"{day:04}.json").write_text(json.dumps(document), "utf-8")


def run(monkeypatch: pytest.MonkeyPatch, storage: Path, out: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["history.py", "--storage", str(storage), "--out", str(out)])
    return history.main()


def test_a_fall_is_named_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = tmp_path / "saved" / "Linux"
    for day, ratio in ((1, 2.0), (3, 2.2), (2, 1.9)):
        save(storage, day, "abcdefgh", {"six": {"times_faster": ratio}, "audit": {"times_slower_than_plain": 4.0}})
    assert run(monkeypatch, tmp_path / "saved", tmp_path / "deep" / "out.png") == 0
    save(storage, 9, "12345678", {"six": {"times_faster": 1.6, "size": 7}, "audit": {"times_slower_than_plain": 8.0}})
    assert run(monkeypatch, tmp_path / "saved", tmp_path / "deep" / "out.png") == 1
    printed = capsys.readouterr().out
    assert printed.count("fell") == 2
    assert "size" not in printed
    with PillowImage.open(tmp_path / "deep" / "out.png") as picture:
        assert picture.width > 500


def test_a_change_within_the_noise_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day, ratio in enumerate((2.0, 1.8, 2.1, 1.75), 1):
        save(tmp_path / "saved", day, "abcdefgh", {"six": {"times_faster": ratio}}, dirty=day == 4)
    runs = history.read(tmp_path / "saved")
    assert [found.commit for found in runs] == ["abcdefgh", "abcdefgh", "abcdefgh", "abcdefgh+"]
    assert history.fallen(runs, 0.15) == {}
    assert history.fallen(runs, 0.1) == {"six faster": (2.0, 1.75)}


def test_without_a_run_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "other.json").write_text("[]", "utf-8")
    assert run(monkeypatch, tmp_path / "saved", tmp_path / "out.png") == 2
    printed = capsys.readouterr().out
    assert "make bench" in printed
    assert "other.json is left out" in printed
