from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from facematch import registry
from facematch.alerts import JsonLinesSink
from facematch.errors import InvalidArgument, SinkError
from facematch.protocols import AlertSink
from tests.unit.video.support import make_alert


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_one_line_an_alert_on_disk_when_emit_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    path = tmp_path / "alerts.jsonl"
    with JsonLinesSink(path) as sink:
        assert isinstance(sink, AlertSink)
        sink.emit(make_alert("s-1"))
        assert len(synced) == 1
        assert lines(path) == [make_alert("s-1").to_dict()]
        sink.emit(make_alert("Zoë\n<s>"))
        assert [line["subject_id"] for line in lines(path)] == ["s-1", "Zoë\n<s>"]
    assert len(synced) == 2


def test_a_restart_appends(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    for subject in ("s-1", "s-2"):
        with JsonLinesSink(path) as sink:
            sink.emit(make_alert(subject))
    assert [line["subject_id"] for line in lines(path)] == ["s-1", "s-2"]


def test_a_line_cut_short_by_a_crash_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"alert_id":"x","subj', encoding="utf-8")
    with JsonLinesSink(path) as sink:
        sink.emit(make_alert("s-2"))
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[1])["subject_id"] == "s-2"


def test_closed_is_an_error_and_closing_twice_is_not(tmp_path: Path) -> None:
    sink = JsonLinesSink(tmp_path / "alerts.jsonl")
    sink.close()
    sink.close()
    with pytest.raises(InvalidArgument, match="closed"):
        sink.emit(make_alert())


def test_only_the_owner_can_read_a_new_file(tmp_path: Path) -> None:
    with JsonLinesSink(tmp_path / "alerts.jsonl") as sink:
        assert sink.path.stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_opened_or_written_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError) as caught:
        JsonLinesSink(tmp_path / "no" / "alerts.jsonl")
    assert caught.value.code == "sink_failed"
    assert caught.value.hint
    with pytest.raises(SinkError):
        JsonLinesSink(tmp_path)


def test_a_full_disk_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with JsonLinesSink(tmp_path / "alerts.jsonl") as sink:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(SinkError, match="No space"):
            sink.emit(make_alert())


def test_the_sink_is_registered() -> None:
    assert registry.load("facematch.sinks", "jsonl") is JsonLinesSink


def test_text_that_is_no_unicode_is_escaped_and_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    with JsonLinesSink(path) as sink:
        sink.emit(make_alert("s-\udcff"))
    assert lines(path)[0]["subject_id"] == "s-\udcff"
