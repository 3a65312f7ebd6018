"""Every face of a folder's pictures, embedded, in one file.

Embeddings are biometric data of the people in the pictures: the file is readable by its owner only, and the watchlist's
consent, retention and audit do not reach it. This is for research and for moving galleries, not for searches.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from facematch.bulk.draft import Draft, FileState
from facematch.bulk.faces import SMALLEST_REDUCED, FileFaces, faces_of_files, longest_seen
from facematch.bulk.tables import check_target, write_table
from facematch.errors import ImageNotFound, InvalidArgument
from facematch.faces.provenance import describe_analysis
from facematch.imaging import PICTURE_ENDINGS
from facematch.protocols import Analyzer, Progress

__all__ = ["EmbeddingReport", "draft_of", "embed_folder", "pictures_in"]

_KEPT_TOGETHER: Final = 32
_UNDONE: Final = FileState(-1, -1)
"""Of a file that could not be read at all: it is tried again, whatever it looks like then."""


@dataclass(frozen=True, slots=True)
class EmbeddingReport:
    """Outcome of an export.

    Attributes:
        pictures: Picture files in the folder.
        faces: Faces written.
        without_face: Pictures that were read and show no face.
        resumed: Pictures that an earlier, interrupted run had done.
        seconds: How long this run took.
        errors: ``(file, code, message)`` of each file that could not be read, by name.
    """

    pictures: int
    faces: int
    without_face: int
    resumed: int
    seconds: float
    errors: tuple[tuple[str, str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "pictures": self.pictures,
            "faces": self.faces,
            "without_face": self.without_face,
            "resumed": self.resumed,
            "seconds": round(self.seconds, 3),
            "errors_by_code": dict(sorted(Counter(code for _, code, _ in self.errors).items())),
            "errors": [{"picture": name, "code": code, "message": message} for name, code, message in self.errors],
        }


def pictures_in(folder: Path) -> list[Path]:
    """Picture files of a folder and the folders in it, by name; hidden ones and links to folders are left out.

    Raises:
        InvalidArgument: It is no folder, cannot be read, or holds no picture.
    """
    if not folder.is_dir():
        raise InvalidArgument(f"{folder} is not a folder", hint="name a folder of pictures")
    found: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(root, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in PICTURE_ENDINGS  # noqa: PTH122
        ]
    if not found:
        raise InvalidArgument(
            f"{folder} holds no picture", hint=f"files are known by their endings: {', '.join(sorted(PICTURE_ENDINGS))}"
        )
    return sorted(found, key=lambda path: _key(path, folder))


def draft_of(target: Path) -> Path:
    """Path of an unfinished export until it is taken up again."""
    return target.with_name(f"{target.name}.part")


def embed_folder(
    analyzer: Analyzer,
    folder: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    reduced: bool = False,
    progress: Progress | None = None,
) -> EmbeddingReport:
    """Embed every face of a folder's pictures into one new file, ``.npz`` or ``.parquet``.

    Pictures are decoded while those before them are looked at. Interrupted in any way, what was done stays in
    ``TARGET.part``, and the same call goes on from there; files that have changed since are done anew.

    The npz holds ``pictures`` ``(P,)`` names, ``sizes`` ``(P, 2)`` height and width, ``errors`` ``(P,)`` codes or
    ``""``, and, a face each, ``picture`` ``(N,)`` index of its picture, ``boxes`` ``(N, 4)`` ``xyxy``, ``landmarks``
    ``(N, 5, 2)``, ``detection_scores`` ``(N,)``, ``embeddings`` ``(N, D)`` unit vectors, all ``float32``; ``about`` is
    JSON. Parquet has a row a face with the same columns, and one with nulls for a picture without a face.

    Args:
        analyzer: Finds and embeds faces.
        folder: The folder; folders in it are looked into.
        target: The new file.
        reduced: Decode JPEG files no larger than needed; as ``facematch.imaging.decode_reduced`` does.
        progress: Called with pictures done and pictures in all.

    Raises:
        InvalidArgument: The folder holds no picture; the target is there already or cannot be written; the unfinished
            export beside it is of other models, damaged, or in use.
        MissingExtra: Parquet is asked for and pyarrow is not installed.
        InferenceError: The runtime failed.
    """
    began = time.monotonic()
    root, out = Path(folder), Path(target)
    check_target(out)
    files = {os.fsencode(_key(path, root)): path for path in pictures_in(root)}
    longest = longest_seen(analyzer) if reduced else None
    terms = describe_analysis(analyzer)
    reduction = {"smallest": SMALLEST_REDUCED} if reduced else None
    with Draft(draft_of(out), json.dumps([terms, reduction], sort_keys=True), analyzer.contract.dimension) as draft:
        states = {name: FileState.of(path) for name, path in files.items()}
        known = draft.done()
        draft.drop(name for name in known if name not in files)
        waiting = [name for name in files if known.get(name) != states[name]]
        done = resumed = len(files) - len(waiting)
        if progress is not None:
            progress(done, len(files))
        results = faces_of_files(analyzer, [files[name] for name in waiting], longest=longest)
        for part in _parts(zip(waiting, results, strict=True)):
            draft.keep((name, _UNDONE if _unread(found) else states[name], found) for name, found in part)
            done += len(part)
            if progress is not None:
                progress(done, len(files))
        if not root.is_dir():
            raise InvalidArgument(
                f"{root} is gone", hint="what was done is kept; give the same command when it is back"
            )
        faces = draft.counts()[1]
        bare, errors = draft.without_face(), draft.errors()
        contract = analyzer.contract
        about = {"dimension": contract.dimension, "reduced": reduced, "embedder": contract.embedder, **terms}
        write_table(draft, out, about)
        draft.remove()
    return EmbeddingReport(len(files), faces, bare, resumed, time.monotonic() - began, tuple(errors))


def _unread(found: FileFaces) -> bool:
    return isinstance(found.error, ImageNotFound) or isinstance(getattr(found.error, "__cause__", None), MemoryError)


def _parts(results: Iterator[tuple[bytes, FileFaces]]) -> Iterator[list[tuple[bytes, FileFaces]]]:
    """Results in groups that are kept together."""
    part: list[tuple[bytes, FileFaces]] = []
    for result in results:
        part.append(result)
        if len(part) == _KEPT_TOGETHER:
            yield part
            part = []
    if part:
        yield part


def _key(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _unreadable(error: OSError) -> None:
    raise InvalidArgument(
        f"{error.filename} cannot be read: {error.strerror}", hint="check the rights of the folder"
    ) from error
