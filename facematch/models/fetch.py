"""Bring a pack's files to where they are used: fetched, checked, then moved; safe for two processes at once."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from facematch.errors import PackCorrupt, PackUnavailable
from facematch.models.manifest import Manifest
from facematch.models.sources import describe, fetch_from, needs_network, sources_for
from facematch.protocols import Progress
from facematch.settings import Settings

__all__ = ["ensure_files", "file_digest", "locked", "pack_folder", "publish"]

logger = logging.getLogger(__name__)


def pack_folder(manifest: Manifest, settings: Settings) -> Path:
    """Folder of a bundled pack's files."""
    return settings.home / "packs" / f"{manifest.name}-{manifest.version}"


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locked(folder: Path) -> FileLock:
    """A lock between processes for one folder, which is created.

    Raises:
        PackUnavailable: The folder cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PackUnavailable(
            f"{folder} cannot be written: {error}",
            hint="set FACEMATCH_HOME to a folder that you may write and that has room",
        ) from error
    return FileLock(folder / ".lock")


def publish(target: Path, data: bytes) -> None:
    """Write a file so that it is either whole under its name or not there.

    Args:
        target: The final name.
        data: The content.

    Raises:
        PackUnavailable: The disk is full or the folder cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        with scratch.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(target)
    except OSError as error:
        raise PackUnavailable(f"{target} cannot be written: {error}", hint="free some space, then try again") from error
    finally:
        scratch.unlink(missing_ok=True)


def ensure_files(
    manifest: Manifest,
    settings: Settings,
    *,
    progress: Progress | None = None,
    folders: Sequence[Path] = (),
) -> Path:
    """Make sure that a pack's files are in its folder, fetching what is missing.

    Args:
        manifest: The pack.
        settings: Where files are kept; whether the network may be used.
        progress: Called with bytes done and in all during a download.
        folders: Local folders to look into first.

    Returns:
        The folder with the files, each of the recorded digest.

    Raises:
        PackUnavailable: A file is missing and no source has it; the message lists what was tried.
        PackCorrupt: A source offered a file of another digest, and no other source had the right one.
    """
    folder = pack_folder(manifest, settings)
    wanted = {model.file: model.sha256 for model in manifest.model_files}
    if not _missing(folder, wanted):
        return folder
    with locked(folder):
        missing = _missing(folder, wanted)  # another process may have fetched meanwhile
        if missing:
            _fetch_missing(manifest, settings, missing, progress=progress, folders=folders)
    return folder


def _missing(folder: Path, wanted: dict[str, str]) -> dict[str, str]:
    return {
        name: digest
        for name, digest in wanted.items()
        if not (folder / name).is_file() or file_digest(folder / name) != digest
    }


def _fetch_missing(
    manifest: Manifest,
    settings: Settings,
    missing: dict[str, str],
    *,
    progress: Progress | None,
    folders: Sequence[Path],
) -> None:
    folder = pack_folder(manifest, settings)
    for stale in folder.glob(".fetch-*"):  # of a process that was killed; the lock says that none is at work
        shutil.rmtree(stale, ignore_errors=True)
    tried: list[str] = []
    corrupt = False
    other_packs = sorted(path for path in folder.parent.iterdir() if path.is_dir() and path != folder)
    here = [path for path in other_packs if any((path / name).is_file() for name in missing)]
    for source in sources_for([*folders, *here], manifest.sources):
        if settings.offline and needs_network(source):
            tried.append(f"{describe(source)}: not asked, offline")
            continue
        logger.info("fetching model files", extra={"pack": manifest.name, "source": describe(source)})
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
            try:
                found = fetch_from(source, missing, Path(scratch), progress)
            except PackUnavailable as error:
                tried.append(f"{describe(source)}: {error.message}")
                continue
            for name, path in found.items():
                data = path.read_bytes()
                if (digest := hashlib.sha256(data).hexdigest()) != missing[name]:
                    corrupt = True
                    tried.append(f"{describe(source)}: {name} has SHA-256 {digest[:16]}…, not {missing[name][:16]}…")
                    continue
                publish(folder / name, data)
                del missing[name]
        if not missing:
            return
        if found.keys().isdisjoint(missing) and not corrupt:
            tried.append(f"{describe(source)}: does not have {', '.join(sorted(missing))}")
    names = ", ".join(sorted(missing))
    refusal = PackCorrupt if corrupt else PackUnavailable
    raise refusal(
        f"model pack {manifest.name!r} lacks {names}; tried: {'; '.join(tried) or 'nothing, it names no source'}",
        hint=f"put the file into {folder}, or run `facematch models pull {manifest.name} --from FOLDER`, "
        "or connect to a network and unset FACEMATCH_OFFLINE",
    )
