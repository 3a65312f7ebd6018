"""The export is verified by another process that sees nothing but the export."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from facematch.errors import AuditError, AuditTampered, DatabaseUnavailable, InvalidArgument
from facematch.governance.audit import verifier as offline
from facematch.governance.audit.verifier import head_message, leaf_hash, root_of, verify_export
from facematch.storage.audit_log import AuditLog
from tests.integration.watchlist.audit_support import KEY, STRANGER, Log, PlainAccess, copied

KEY_HEX = KEY.public_key.hex()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1010 entries with an automatic checkpoint (1000) and a second one by hand over entry 1011."""
    log = Log(tmp_path_factory.mktemp("log") / "w.db")
    log.fill(1000)
    log.fill(10, 1000)
    log.log.checkpoint()
    log.database.close()
    return log.path


@pytest.fixture
def log(filled: Path, tmp_path: Path) -> Log:
    return copied(filled, tmp_path / "w.db")


@pytest.fixture
def export(log: Log, tmp_path: Path) -> Path:
    return log.log.export(tmp_path / "export")


def verify(export: Path, *options: str) -> tuple[int, set[str], str]:
    """Exit code, findings and errors of the verifier in the export, run isolated from this installation's settings."""
    done = subprocess.run(
        [sys.executable, "-I", "verify.py", ".", *options],
        cwd=export,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    *lines, verdict = done.stdout.splitlines() or [""]
    assert (verdict == "the log verifies") == (done.returncode == 0)
    return done.returncode, {line for line in lines if not line.startswith("note:")}, done.stderr


def test_a_clean_export_verifies(log: Log, export: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(log.log.checkpoints()[-1].note)
    assert verify(export) == (0, set(), "")
    assert verify(export, "--public-key", KEY_HEX, "--checkpoint", str(kept)) == (0, set(), "")


def test_the_verifier_runs_without_the_package(export: Path) -> None:
    code = (
        "import sys; sys.modules['facematch'] = None; sys.argv = ['verify.py', '.', '--public-key', sys.argv[1]]; "
        "import runpy; runpy.run_path('verify.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, KEY_HEX], cwd=export, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "facematch" not in [
        line.split()[1].partition(".")[0]
        for line in (export / "verify.py").read_text().splitlines()
        if line.startswith(("import ", "from "))
    ]


def test_the_export_holds_what_was_hashed(log: Log, export: Path) -> None:
    assert sorted(path.name for path in export.iterdir()) == [
        "README.txt",
        "checkpoints",
        "entries.jsonl",
        "head.json",
        "keys.json",
        "leaves.txt",
        "pruned.txt",
        "verify.py",
    ]
    lines = (export / "entries.jsonl").read_bytes().splitlines()
    entries = log.log.entries()[:-1]  # the last one says that the export was made
    assert lines == [entry.canonical() for entry in entries] == [rfc8785.dumps(json.loads(line)) for line in lines]
    head = json.loads((export / "head.json").read_text())
    root = root_of(leaf_hash(line) for line in lines)
    assert (head["size"], head["root"], head["pruned"]) == (1011, root.hex(), 0)
    message = head_message(head["origin"], 1011, root, 0)
    assert offline.verify_signature(KEY.public_key, base64.b64decode(head["signature"]), message)
    assert (export / "leaves.txt").read_text().split() == [leaf_hash(line).hex() for line in lines]
    assert (export / "pruned.txt").read_bytes() == b""
    keys = json.loads((export / "keys.json").read_text())
    assert [(key["key_id"], key["public_key"], key["retired_at"]) for key in keys] == [(KEY.key_id, KEY_HEX, None)]
    notes = [path.read_text() for path in sorted((export / "checkpoints").iterdir())]
    assert notes == [checkpoint.note for checkpoint in log.log.checkpoints()]
    assert (export / "verify.py").read_bytes() == Path(offline.__file__).read_bytes()
    assert "python -I verify.py" in (export / "README.txt").read_text()
    last = log.log.entries(limit=1)[0]
    assert (last.action, last.actor, last.details) == ("export_audit", "rita", {"size": 1011, "root": root.hex()})


def test_only_the_owner_can_read_it(export: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in export.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in (export, export / "checkpoints")}
    assert (modes, folders) == ({0o600}, {0o700})


def test_a_pruned_log_is_exported_and_verified(log: Log, tmp_path: Path) -> None:
    assert log.prune(60) == 60
    export = log.log.export(tmp_path / "pruned")
    assert len((export / "pruned.txt").read_text().split()) == 60
    assert json.loads((export / "entries.jsonl").read_text().splitlines()[0])["seq"] == 61
    assert verify(export, "--public-key", KEY_HEX) == (0, set(), "")
    lines = (export / "pruned.txt").read_text().splitlines(keepends=True)
    (export / "pruned.txt").write_text("".join(["0" * 64 + "\n", *lines[1:]]))
    code, found, _ = verify(export)
    assert (code, "entry 1 to 1000: does not give the root that was signed" in found) == (1, True)


def edit_line(name: str, at: int, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change one line of a file, counted from 1."""

    def edit(export: Path) -> None:
        lines = (export / name).read_bytes().splitlines(keepends=True)
        lines[at - 1] = change(lines[at - 1])
        (export / name).write_bytes(b"".join(lines))

    return edit


def edit_lines(name: str, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    """Change the lines of a file."""

    def edit(export: Path) -> None:
        lines = (export / name).read_bytes().splitlines(keepends=True)
        (export / name).write_bytes(b"".join(change(lines)))

    return edit


def edit_json(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Change a JSON file."""

    def edit(export: Path) -> None:
        data = json.loads((export / name).read_text())
        (export / name).write_text(json.dumps(change(data)))

    return edit


def both(*edits: Callable[[Path], None]) -> Callable[[Path], None]:
    """Several edits, in order."""

    def edit(export: Path) -> None:
        for change in edits:
            change(export)

    return edit


def rename(name: str, other: str) -> Callable[[Path], None]:
    """Move a file."""

    def edit(export: Path) -> None:
        (export / name).rename(export / other)

    return edit


def write(name: str, change: Callable[[Path], bytes]) -> Callable[[Path], None]:
    """Write a file anew."""

    def edit(export: Path) -> None:
        (export / name).write_bytes(change(export))

    return edit


def leaves_of_the_entries(export: Path) -> bytes:
    lines = (export / "entries.jsonl").read_bytes().splitlines()
    return b"".join(leaf_hash(line).hex().encode() + b"\n" for line in lines)


def remove(name: str) -> Callable[[Path], None]:
    return lambda export: (export / name).unlink()


def swapped(lines: list[bytes]) -> list[bytes]:
    lines[4], lines[8] = lines[8], lines[4]
    return lines


def swapped_with_numbers(lines: list[bytes]) -> list[bytes]:
    five, nine = lines[4].replace(b'"seq":5,', b'"seq":9,'), lines[8].replace(b'"seq":9,', b'"seq":5,')
    lines[4], lines[8] = nine, five
    return lines


FIRST = "entry 1 to 1000: does not give the root that was signed"
FORKED = {
    f"checkpoint {number}: has another root than the first {size} entries: the log was forked"
    for number, size in ((1, 1000), (2, 1011))
}
UNSIGNED = "head: is not signed by a key of this log"
EDITS: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "an entry": (
        edit_line("entries.jsonl", 7, lambda line: line.replace(b"ana", b"eve")),
        {"entry 7: is not what was written"},
    ),
    "a space in an entry": (
        edit_line("entries.jsonl", 7, lambda line: line.replace(b":", b": ", 1)),
        {"entry 7: is not what was written"},
    ),
    "a line end of DOS": (
        edit_line("entries.jsonl", 7, lambda line: line.replace(b"\n", b"\r\n")),
        {"entry 7: is not what was written"},
    ),
    "the number of an entry": (
        edit_line("entries.jsonl", 7, lambda line: line.replace(b'"seq":7,', b'"seq":7000,')),
        {
            "entry 7: is missing",
            "entry 7000: is not in the tree: inserted",
            "entry 7000: stands in another place of the file: reordered",
        },
    ),
    "no number": (
        edit_line("entries.jsonl", 7, lambda line: b"{}\n"),
        {"entry 7: is missing", "entries.jsonl line 7: is not a whole entry"},
    ),
    "an entry taken out": (
        edit_lines("entries.jsonl", lambda lines: lines[:6] + lines[7:]),
        {"entry 7: is missing"},
    ),
    "an entry twice": (
        edit_lines("entries.jsonl", lambda lines: [*lines[:7], lines[6], *lines[7:]]),
        {"entry 7: stands a second time in line 8: inserted"},
    ),
    "an entry at the end": (
        edit_lines("entries.jsonl", lambda lines: [*lines, lines[-1].replace(b'"seq":1011,', b'"seq":1012,')]),
        {"entry 1012: is not in the tree: inserted"},
    ),
    "lines swapped": (
        edit_lines("entries.jsonl", swapped),
        {
            "entry 5: stands in another place of the file: reordered",
            "entry 9: stands in another place of the file: reordered",
        },
    ),
    "lines swapped with their numbers": (
        edit_lines("entries.jsonl", swapped_with_numbers),
        {
            "entry 5: is what was written as entry 9: reordered",
            "entry 9: is what was written as entry 5: reordered",
        },
    ),
    "the end cut off": (
        edit_lines("entries.jsonl", lambda lines: lines[:1005]),
        {"entry 1006 to 1011: is missing"},
    ),
    "the end cut off with its hashes": (
        both(
            edit_lines("entries.jsonl", lambda lines: lines[:1005]),
            edit_lines("leaves.txt", lambda lines: lines[:1005]),
        ),
        {
            "entry 1006 to 1011: is missing",
            "checkpoint 2: covers 1011 entries, the log has 1005: its end was cut off",
        },
    ),
    "a cut within a line": (
        write("entries.jsonl", lambda export: (export / "entries.jsonl").read_bytes()[:-9]),
        {"entry 1011: is missing", "entries.jsonl line 1011: is not a whole entry"},
    ),
    "no entries": (remove("entries.jsonl"), {"entries.jsonl: is missing", "entry 1 to 1011: is missing"}),
    "a leaf hash": (
        edit_line("leaves.txt", 7, lambda line: b"0" * 64 + b"\n"),
        {"node 0/6: is not the leaf hash of entry 7"},
    ),
    "no leaf hash": (
        edit_line("leaves.txt", 7, lambda line: b"zz\n"),
        {"leaves.txt line 7: is not a hash", "entry 7: has no leaf hash in the tree"},
    ),
    "a leaf hash more": (
        edit_lines("leaves.txt", lambda lines: [*lines, lines[0]]),
        {"leaves.txt: has 1 leaf hashes too many"},
    ),
    "no leaf hashes": (
        remove("leaves.txt"),
        {"leaves.txt: is missing or damaged", "entry 1 to 1011: has no leaf hash in the tree"},
    ),
    "no pruned hashes": (remove("pruned.txt"), {"pruned.txt: is missing or damaged"}),
    "an entry with its leaf hash": (
        both(
            edit_line("entries.jsonl", 7, lambda line: line.replace(b"ana", b"eve")),
            write("leaves.txt", leaves_of_the_entries),
        ),
        {FIRST, *FORKED},
    ),
    "the root": (edit_json("head.json", lambda head: {**head, "root": "0" * 64}), {UNSIGNED}),
    "a smaller size": (
        edit_json("head.json", lambda head: {**head, "size": 1005}),
        {
            UNSIGNED,
            "entry 1006 to 1011: is not in the tree: inserted",
            "leaves.txt: has 6 leaf hashes too many",
            "checkpoint 2: covers 1011 entries, the log has 1005: its end was cut off",
        },
    ),
    "a giant size": (
        edit_json("head.json", lambda head: {**head, "size": 10**15}),
        {UNSIGNED, f"entry 1012 to {10**15}: is missing"},
    ),
    "pruned": (
        edit_json("head.json", lambda head: {**head, "pruned": 3}),
        {
            UNSIGNED,
            "entry 1 to 3: is there although it was pruned",
            "entry 1 to 3: is gone, but no entry says that it was pruned",
        },
    ),
    "the signature": (
        edit_json("head.json", lambda head: {**head, "signature": base64.b64encode(bytes(64)).decode()}),
        {UNSIGNED},
    ),
    "the head": (
        edit_json("head.json", lambda head: []),
        {"head.json: is missing or damaged, so nothing could be checked"},
    ),
    "no head": (remove("head.json"), {"head.json: is missing or damaged, so nothing could be checked"}),
    "a checkpoint": (
        edit_line("checkpoints/000001.txt", 2, lambda line: b"999\n"),
        {"checkpoint 1: is not signed by a key of this log"},
    ),
    "no checkpoint": (remove("checkpoints/000001.txt"), {"checkpoint 1: is missing"}),
    "not the last checkpoint": (
        remove("checkpoints/000002.txt"),
        {"checkpoint 2: is missing; entry 1011 says it was made"},
    ),
    "a checkpoint under another number": (
        rename("checkpoints/000002.txt", "checkpoints/000003.txt"),
        {"checkpoint 3: was made as checkpoint 2", "checkpoint 2: is missing"},
    ),
    "a strange file": (
        write("checkpoints/x.txt", lambda export: b""),
        {"checkpoints/x.txt: is not a checkpoint of an audit log"},
    ),
}


@pytest.mark.parametrize("what", EDITS)
def test_tampering_with_an_export_is_found_and_its_place_is_named(export: Path, what: str) -> None:
    edit, expected = EDITS[what]
    edit(export)
    code, found, errors = verify(export, "--public-key", KEY_HEX)
    assert (code, found, errors) == (1, expected, "")
    assert {str(finding) for finding in verify_export(export, keys={KEY.public_key})} == expected


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (remove("keys.json"), "keys.json: is missing or damaged"),
        (edit_json("keys.json", lambda keys: []), UNSIGNED),
        (edit_json("keys.json", lambda keys: [{**keys[0], "public_key": STRANGER.public_key.hex()}]), UNSIGNED),
    ],
)
def test_without_a_key_from_elsewhere_the_keys_of_the_export_decide(
    export: Path, edit: Callable[[Path], None], expected: str
) -> None:
    edit(export)
    code, found, _ = verify(export)
    assert (code, expected in found) == (1, True)


def test_a_key_from_elsewhere_decides_over_those_of_the_export(export: Path) -> None:
    code, found, _ = verify(export, "--public-key", STRANGER.public_key.hex())
    assert code == 1
    assert UNSIGNED in found


@pytest.mark.parametrize("content", [KEY.public_key, KEY_HEX.encode() + b"\n", KEY_HEX.upper().encode()])
def test_a_key_may_come_in_a_file(export: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    assert verify(export, "--public-key", str(tmp_path / "key")) == (0, set(), "")


def test_an_older_export_is_found_by_an_outside_checkpoint(log: Log, export: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(log.log.checkpoint().note)
    code, found, _ = verify(export, "--checkpoint", str(kept))
    assert (code, found) == (
        1,
        {"outside checkpoint: covers 1013 entries, the log has 1011: its end was cut off"},
    )
    kept.write_text("x")
    assert verify(export, "--checkpoint", str(kept))[1] == {"outside checkpoint: is not a checkpoint of an audit log"}


@pytest.mark.parametrize(
    "options", [["--checkpoint", "missing"], ["--public-key", "missing"], ["--public-key", "README.txt"], ["--what"]]
)
def test_what_cannot_be_checked_has_an_exit_code_of_its_own(export: Path, options: list[str]) -> None:
    code, found, errors = verify(export, *options)
    assert (code, found) == (2, set())
    assert errors != ""


def test_a_folder_that_is_not_there_cannot_be_checked(export: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(export / "verify.py"), str(export / "none")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a folder" in done.stderr


def test_an_export_needs_a_free_place(log: Log, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "x").write_text("")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    places = [taken, taken / "x", taken / "y" / "z", link]
    refused = []
    for place in places:
        with pytest.raises(InvalidArgument):
            log.log.export(place)
        refused.append(place)
    assert refused == places
    assert len(log.log) == 1011
    empty = tmp_path / "empty"
    empty.mkdir()
    assert verify(log.log.export(empty)) == (0, set(), "")


def test_no_export_is_made_of_what_was_tampered_with(log: Log, tmp_path: Path) -> None:
    log.sql("UPDATE audit SET details = x'00' WHERE seq = 7")
    with pytest.raises(AuditTampered, match="entry 7"):
        log.log.export(tmp_path / "export")
    log.sql("UPDATE audit_head SET signature = zeroblob(64)")
    with pytest.raises(AuditTampered, match="head"):
        log.log.export(tmp_path / "export")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_without_its_entry_there_is_no_export(log: Log, tmp_path: Path) -> None:
    log.sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more'); END")
    with pytest.raises(AuditError, match="no more"):
        log.log.export(tmp_path / "export")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_folder_that_cannot_be_written_is_refused(log: Log) -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be written"):
        log.log.export("/proc/export")
    assert len(log.log) == 1011


def test_a_place_that_is_taken_in_the_meantime_is_left_alone(log: Log, tmp_path: Path) -> None:
    place = tmp_path / "export"

    def taking() -> datetime:
        place.mkdir()
        (place / "x").write_text("theirs")
        return log.now

    with pytest.raises(DatabaseUnavailable, match="cannot be written"):
        AuditLog(PlainAccess(log.database, taking), KEY).export(place)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["export"]
    assert [path.name for path in place.iterdir()] == ["x"]
    assert len(log.log) == 1011
