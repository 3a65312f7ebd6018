"""The command line on real pictures, with the real default pack."""

from __future__ import annotations

import io
import json
import runpy
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.cli.app import app, main
from facematch.cli.commands import whole
from facematch.cli.output import ExitCode
from facematch.faces import FaceAnalyzer
from facematch.types import Image


class Cli:
    """Runs commands against one database and reads what they print."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.database = f"sqlite:///{folder / 'watchlist.db'}"
        self._capsys = capsys
        (folder / "notice.txt").write_text("What happens to your picture.", "utf-8")
        (folder / "form.pdf").write_bytes(b"%PDF signed")

    def run(self, *arguments: str, database: bool = True) -> tuple[int, str, str]:
        status = main([*arguments, *(["--db", self.database] if database else [])])
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err

    def json(self, *arguments: str, database: bool = True) -> tuple[int, Any]:
        status, out, _ = self.run(*arguments, "--json", database=database)
        return status, json.loads(out)

    def enroll(self, subject: str, *pictures: Path, purpose: str = "site-access", site: str = "store-12") -> Any:
        consent = [
            "--purpose",
            purpose,
            "--site",
            site,
            "--notice",
            str(self.folder / "notice.txt"),
            "--language",
            "en",
        ]
        consent += ["--evidence", str(self.folder / "form.pdf"), "--adult", "--valid-for", "365d"]
        status, document = self.json("enroll", subject, *map(str, pictures), *consent)
        assert status == ExitCode.OK, document
        return document

    def identify(self, picture: Path, *more: str) -> Any:
        scope = ["--purpose", "site-access", "--site", "store-12"]
        status, document = self.json("identify", str(picture), *scope, *more)
        assert status == ExitCode.OK, document
        return document


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, capsys)


@pytest.fixture
def darker(tmp_path: Path, astronaut: Image) -> Path:
    """The astronaut's portrait mirrored and darkened."""
    path = tmp_path / "darker.png"
    cv2.imwrite(str(path), (astronaut[:, ::-1] * 0.7).astype(np.uint8))
    return path


def test_enroll_identify_verify_withdraw_erase(cli: Cli, astronaut_path: Path, group_path: Path, darker: Path) -> None:
    enrollment = cli.enroll("s-0042", astronaut_path)
    assert enrollment["template_ids"] == [1]
    assert enrollment["refusals"] == []

    found = cli.identify(darker)
    assert set(found) >= {"probes", "threshold", "gallery_size", "contract"}
    (probe,) = found["probes"]
    assert set(probe) == {"box", "detection_score", "candidates"}
    assert [candidate["subject_id"] for candidate in probe["candidates"]] == ["s-0042"]
    assert probe["candidates"][0]["score"] >= found["threshold"]
    assert found["gallery_size"] == 1
    strangers = cli.identify(group_path)
    assert [probe["candidates"] for probe in strangers["probes"]] == [[]] * 6

    status, verified = cli.json("verify", "s-0042", str(darker), "--purpose", "site-access", "--site", "store-12")
    assert (status, verified["outcome"]) == (0, "match")
    status, listed = cli.json("subjects")
    assert [(s["subject_id"], s["state"], s["templates"]) for s in listed["subjects"]] == [("s-0042", "active", 1)]

    status, receipt = cli.json("withdraw", "s-0042", "--reason", "left")
    assert (status, receipt["subject_id"]) == (0, "s-0042")
    assert cli.identify(darker)["probes"][0]["candidates"] == []
    status, erased = cli.json("erase", "s-0042", "--reason", "asked")
    assert (status, erased["templates_erased"]) == (0, 1)
    assert cli.json("subjects") == (0, {"subjects": []})


def test_how_closely_and_where_to_look_are_options(cli: Cli, astronaut_path: Path, group_path: Path) -> None:
    cli.enroll("s-1", astronaut_path)
    assert len(cli.identify(group_path, "--smallest-face", "80")["probes"]) == 6
    assert cli.identify(group_path, "--smallest-face", "1000")["probes"] == []
    for area in ("0,0,1", "a,b,c,d", "0,0,2,1", "0.5,0,0.5,1", "nan,0,1,1"):
        status, document = cli.json("video", "/no/such.mp4", "--purpose", "p", "--area", area)
        assert (status, document["error"]["code"]) == (ExitCode.INPUT, "invalid_argument"), area
    status, document = cli.json("video", "/no/such.mp4", "--purpose", "p", "--area", "0,0.2,0.5,1")
    assert document["error"]["code"] == "video_unreadable"


def test_people_read_tables_with_the_same_content(cli: Cli, astronaut_path: Path, darker: Path) -> None:
    cli.enroll("[red]s-7[/]", astronaut_path)
    status, out, _ = cli.run("identify", str(darker), "--purpose", "site-access", "--site", "store-12")
    assert status == 0
    assert "[red]s-7[/]" in out  # shown as it is, not read as markup
    assert "for a person to judge" in out
    assert "[red]s-7[/]" in cli.run("subjects")[1]


def test_another_purpose_or_site_gives_no_candidate(cli: Cli, astronaut_path: Path) -> None:
    cli.enroll("s-1", astronaut_path)
    for scope in (["--purpose", "marketing", "--site", "store-12"], ["--purpose", "site-access", "--site", "store-13"]):
        status, document = cli.json("identify", str(astronaut_path), *scope)
        assert status == 0
        assert [probe["candidates"] for probe in document["probes"]] == [[]]
        assert document["gallery_size"] == 0


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["enroll", "s-1", "ASTRONAUT"], ExitCode.REFUSED, "consent_required"),
        (["enroll", "s-1", "ASTRONAUT", "--purpose", "site-access"], ExitCode.REFUSED, "consent_required"),
        (["identify", "ASTRONAUT"], ExitCode.REFUSED, "purpose_required"),
        (["identify", "ASTRONAUT", "--purpose", "p", "--threshold", "0.1"], ExitCode.REFUSED, "threshold_too_low"),
        (["identify", "/no/such.jpg", "--purpose", "p"], ExitCode.INPUT, "image_not_found"),
        (["identify", "ASTRONAUT", "--purpose", "p", "--pack", "buffalo_l"], ExitCode.MODEL, "license_forbidden"),
        (["identify", "ASTRONAUT", "--purpose", "p", "--pack", "nope"], ExitCode.MODEL, "pack_not_found"),
        (["verify", "s-9", "ASTRONAUT", "--purpose", "p"], ExitCode.WATCHLIST, "subject_not_found"),
        (["withdraw", "s-9", "--reason", "r"], ExitCode.WATCHLIST, "subject_not_found"),
        (["erase", "s-9", "--reason", "r"], ExitCode.WATCHLIST, "subject_not_found"),
        (["video", "/no/such.mp4", "--purpose", "p"], ExitCode.INPUT, "video_unreadable"),
    ],
)
def test_refusals_have_a_code_and_an_exit_status(
    cli: Cli, astronaut_path: Path, arguments: list[str], status: ExitCode, code: str
) -> None:
    given = [str(astronaut_path) if argument == "ASTRONAUT" else argument for argument in arguments]
    found, document = cli.json(*given)
    assert (found, document["error"]["code"]) == (status, code)
    assert document["error"]["hint"]
    found, out, err = cli.run(*given)
    assert found == status
    assert code in err
    assert "Traceback" not in out + err


def test_usage_errors_exit_with_2(cli: Cli) -> None:
    assert cli.run("identify")[0] == ExitCode.USAGE
    assert cli.run("identify", "x.jpg", "--top-k", "0", "--purpose", "p")[0] == ExitCode.USAGE
    assert cli.run("nonsense", database=False)[0] == ExitCode.USAGE


def broken_pictures(folder: Path, group: Image) -> dict[str, tuple[Path, str | int]]:
    """Files as they turn up in a folder; with the expected error code, or the expected number of faces."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rgb = PillowImage.fromarray(np.ascontiguousarray(group[..., ::-1]))
    buffer = io.BytesIO()
    rgb.save(buffer, "JPEG")
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 60_001 * 20))
    contents: dict[str, tuple[bytes, str | int]] = {
        "empty.jpg": (b"", "image_empty"),
        "truncated.jpg": (buffer.getvalue()[: len(buffer.getvalue()) // 3], "image_truncated"),
        "text.jpg": (b"Dear customer,\nthis is not a picture.\n", "image_not_an_image"),
        "bomb.png": (bomb, "image_too_large"),
    }
    cases: dict[str, tuple[Path, str | int]] = {}
    for name, (data, expected) in contents.items():
        (folder / name).write_bytes(data)
        cases[name] = (folder / name, expected)
    saved: dict[str, tuple[PillowImage.Image, str, int]] = {
        "rgba.png": (rgb.convert("RGBA"), "PNG", 6),
        "cmyk.jpg": (rgb.convert("CMYK"), "JPEG", 6),
        "still.gif": (rgb.convert("P"), "GIF", 6),
        "grey16.png": (PillowImage.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) << 8), "PNG", 6),
        "nobody.png": (PillowImage.new("RGB", (320, 240), (90, 120, 60)), "PNG", 0),
    }
    for name, (picture, kind, faces) in saved.items():
        options = {"save_all": True, "append_images": [picture] * 3} if kind == "GIF" else {}
        picture.save(folder / name, kind, **options)
        cases[name] = (folder / name, faces)
    return cases


def test_a_folder_of_broken_files_gives_errors_or_results_and_never_a_traceback(cli: Cli, group: Image) -> None:
    outcomes: dict[str, str | int] = {}
    expected: dict[str, str | int] = {}
    for name, (path, wanted) in broken_pictures(cli.folder, group).items():
        status, document = cli.json("identify", str(path), "--purpose", "site-access")
        outcomes[name] = document["error"]["code"] if status else len(document["probes"])
        expected[name] = wanted
        assert status == (ExitCode.INPUT if isinstance(wanted, str) else ExitCode.OK)
    assert len(outcomes) == 9
    assert outcomes == expected


def test_enrollment_refusals_are_listed_per_picture(cli: Cli, group_path: Path, astronaut_path: Path) -> None:
    blank = cli.folder / "blank.png"
    cv2.imwrite(str(blank), np.full((200, 200, 3), 128, np.uint8))
    document = cli.enroll("s-1", group_path, astronaut_path, blank)
    assert {refusal["picture"]: refusal["code"] for refusal in document["refusals"]} == {
        "t1.jpg": "several_faces",
        "blank.png": "no_face",
    }
    status, document = cli.json("enroll", "s-1", str(blank))
    assert status == ExitCode.REFUSED
    assert [refusal["code"] for refusal in document["error"]["refusals"]] == ["no_face"]


def test_models_are_listed_shown_pulled_and_verified(cli: Cli, analyzer: FaceAnalyzer) -> None:
    assert analyzer.pack is not None
    status, listed = cli.json("models", "list", database=False)
    states = {pack["name"]: pack["state"] for pack in listed["packs"]}
    assert (status, states["opencv"]) == (0, "verified")
    assert {"buffalo_l", "antelopev2", "opencv-fp32"} <= set(states)
    status, shown = cli.json("models", "show", "opencv", database=False)
    assert (status, shown["license"]) == (0, "MIT AND Apache-2.0")
    assert "Apache-2.0" in cli.run("models", "show", "opencv", database=False)[1]
    status, pulled = cli.json("models", "pull", "opencv", database=False)
    assert (status, pulled["contract"]) == (0, analyzer.contract.digest)
    assert cli.json("models", "verify", "opencv", database=False)[1]["sound"] is True
    assert cli.json("models", "verify", "buffalo_l", database=False)[0] == ExitCode.MODEL


def test_doctor_passes_its_self_test_and_makes_no_database(cli: Cli) -> None:
    status, report = cli.json("doctor")
    assert status == 0
    assert report["sound"] is True
    assert report["self_test"]["faces"] == 6
    assert "CPUExecutionProvider" in report["self_test"]["providers"]["embedder"]
    assert not (cli.folder / "watchlist.db").exists()
    (cli.folder / "watchlist.db").write_bytes(b"this is not a database, whatever its name says" * 100)
    status, report = cli.json("doctor")
    assert status != 0
    assert report["database"]["error"]["code"] == "database_corrupt"


def test_bench_index_writes_its_figures_and_shows_them(cli: Cli) -> None:
    target = cli.folder / "bench.json"
    given = ["bench", "index", "--size", "500", "--dim", "16", "--rounds", "1", "--approximate", "--json"]
    status, out, _ = cli.run(*given, str(target), database=False)
    assert status == 0
    assert "FAISS" in out
    assert "recall at 1" in out
    found = json.loads(target.read_text("utf-8"))
    assert [each["workload"] for each in found["times"]][:2] == ["exact, 1 probe", "exact, 64 probes"]
    assert (found["of"]["size"], found["of"]["recall_at_1"]["exact"]) == (500, 1.0)
    status, out, _ = cli.run(*given, "-", database=False)
    assert (status, json.loads(out)["of"]["dimension"]) == (0, 16)


@pytest.mark.parametrize("options", [["--size", "5", "--k", "6"], ["--json", "/no/such/folder/bench.json"]])
def test_bench_index_refuses_what_it_cannot_measure(cli: Cli, options: list[str]) -> None:
    status, _, err = cli.run("bench", "index", "--size", "50", "--rounds", "1", *options, database=False)
    assert status == ExitCode.INPUT
    assert "invalid_argument" in err


BENCH_PIPELINE = ["bench", "pipeline", "--rounds", "1", "--threads", "2", "--json"]


def test_bench_pipeline_writes_its_figures_and_shows_them(cli: Cli) -> None:
    target = cli.folder / "pipeline.json"
    status, out, _ = cli.run(*BENCH_PIPELINE, str(target), database=False)
    assert status == 0
    assert "one thread" in out
    assert "faces a second" in out
    found = json.loads(target.read_text("utf-8"))
    assert (found["of"]["threads"], found["of"]["faces"]["a group"]) == (2, 6)
    assert all(each["ratio"] > 0 for each in found["times"])


def test_bench_pipeline_prints_its_figures(cli: Cli) -> None:
    status, out, _ = cli.run(*BENCH_PIPELINE, "-", database=False)
    assert (status, json.loads(out)["reference"]) == (0, "one thread")


@pytest.mark.parametrize("options", [["--json", "/no/such/folder/bench.json"], ["--precision", "bfloat16"]])
def test_bench_pipeline_refuses_what_it_cannot_measure(cli: Cli, options: list[str]) -> None:
    status, _, err = cli.run("bench", "pipeline", "--rounds", "1", *options, database=False)
    assert status == ExitCode.INPUT
    assert "invalid_argument" in err


def commands(group: Any, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        found += commands(command, (*prefix, name)) if hasattr(command, "commands") else [(*prefix, name)]
    return found


ALL_COMMANDS = commands(whole(app))


def test_these_are_the_commands() -> None:
    assert {" ".join(command) for command in ALL_COMMANDS} == {
        *(
            "enroll",
            "identify",
            "verify",
            "video",
            "withdraw",
            "erase",
            "subjects",
            "doctor",
            "quality",
            "preview",
            "embed",
        ),
        *("suspend", "resume", "suspensions", "backup", "restore", "retention run"),
        *(
            f"consent {what}"
            for what in ("record", "show", "give", "refuse", "renew", "withdraw", "revoke", "invalidate", "receipt")
        ),
        *("consent verify", "approvals list", "approvals approve", "approvals reject"),
        *(f"policy {what}" for what in ("show", "check", "set", "history", "profiles")),
        *("actors list", "actors grant", "actors revoke", "zones list", "zones open", "zones close"),
        *("keys show", "keys rotate", "keys renew-templates"),
        *(f"audit {what}" for what in ("show", "verify", "checkpoint", "export", "prove", "public-key")),
        *("rights export", "rights complain", "rights decide", "rights disclose"),
        *("report processing-record", "report impact-input", "report transparency-notice"),
        *("models list", "models show", "models pull", "models verify", "models quantize"),
        *("calibration make", "calibration set", "calibration show"),
        *(f"evaluate {what}" for what in ("lfw", "verification", "openset", "detection", "differentials")),
        *("bench index", "bench pipeline"),
    }


@pytest.mark.parametrize("command", ALL_COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(cli: Cli, command: tuple[str, ...]) -> None:
    status, out, _ = cli.run(*command, "--help", database=False)
    assert status == 0
    assert "Example:" in out


def test_the_page_of_the_command_line_is_what_the_command_line_says() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "reference" / "cli.md").read_text("utf-8")
    assert page == runpy.run_path(str(docs / "make_cli_page.py"))["page"](), "run `make cli-docs`"
    assert all(f"# `facematch {' '.join(command)}`" in page for command in ALL_COMMANDS)


def test_version(cli: Cli) -> None:
    status, out, _ = cli.run("--version", database=False)
    assert status == 0
    assert out.startswith("facematch 0.")
