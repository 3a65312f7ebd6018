"""Faces and embeddings as a file: NumPy's npz, or Parquet."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final

import numpy as np

from facematch.bulk.draft import Draft
from facematch.errors import InvalidArgument
from facematch.extras import require
from facematch.files import writing
from facematch.types import FloatArray

__all__ = ["ENDINGS", "check_target", "write_table"]

_ROWS: Final = 8192


def check_target(target: Path) -> None:
    """Refuse a target that could not be written when all work is done.

    Raises:
        InvalidArgument: It has another ending, is there already, or its folder is not there.
        MissingExtra: Parquet is asked for and pyarrow is not installed.
    """
    if target.suffix.lower() not in ENDINGS:
        raise InvalidArgument(f"{target.name!r} ends neither in .npz nor in .parquet", hint="name such a file")
    if os.path.lexists(target):
        raise InvalidArgument(f"{str(target)!r} is there already", hint="name a file that is not there yet")
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK | os.X_OK):
        raise InvalidArgument(f"no file can be made in {str(target.parent)!r}", hint="name another folder")
    if target.suffix.lower() == ".parquet":
        _arrow("pyarrow.parquet")


def write_table(draft: Draft, target: Path, about: Mapping[str, Any]) -> None:
    """Write what a draft holds; the file is there whole, readable by its owner only, or not at all.

    Args:
        draft: Pictures and faces.
        target: The file; its ending says the format.
        about: Where the embeddings come from; kept in the file as JSON.

    Raises:
        InvalidArgument: It cannot be written, or is there already.
    """
    part = draft.path.with_name(f"{draft.path.name}.new")  # only the holder of the draft is here
    with writing(target, "see to space and rights"):
        part.unlink(missing_ok=True)
        try:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w+b") as stream:
                ENDINGS[target.suffix.lower()](draft, stream, json.dumps(about))
                stream.flush()
                os.fsync(stream.fileno())
            if os.path.lexists(target):
                raise FileExistsError(f"{target} is there already")
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)


def _write_npz(draft: Draft, stream: IO[bytes], about: str) -> None:
    pictures, faces = draft.counts()
    names: list[str] = []
    errors: list[str] = []
    sizes = np.zeros((pictures, 2), dtype=np.int32)
    of_picture = np.zeros(faces, dtype=np.int64)
    numbers: FloatArray | None = None
    done = 0
    for place, row in enumerate(draft.rows()):
        if numbers is None:
            numbers = np.empty((faces, row.numbers.shape[1]), dtype=np.float32)
        names.append(row.name)
        errors.append(row.code or "")
        sizes[place] = row.height, row.width
        numbers[done : done + len(row.numbers)] = row.numbers
        of_picture[done : done + len(row.numbers)] = place
        done += len(row.numbers)
    whole = np.empty((0, 15), dtype=np.float32) if numbers is None else numbers
    np.savez(
        stream,
        about=np.array(about),
        pictures=np.array(names, dtype=np.str_),
        sizes=sizes,
        errors=np.array(errors, dtype=np.str_),
        picture=of_picture,
        boxes=whole[:, :4],
        landmarks=whole[:, 4:14].reshape(-1, 5, 2),
        detection_scores=whole[:, 14],
        embeddings=whole[:, 15:],
    )


def _write_parquet(draft: Draft, stream: IO[bytes], about: str) -> None:
    pa, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    dimension = json.loads(about)["dimension"]
    schema = pa.schema(
        [
            ("picture", pa.string()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("error", pa.string()),
            ("face", pa.int32()),
            ("box", pa.list_(pa.float32(), 4)),
            ("landmarks", pa.list_(pa.float32(), 10)),
            ("detection_score", pa.float32()),
            ("embedding", pa.list_(pa.float32(), dimension)),
        ],
        metadata={"facematch": about},
    )
    rows = _rows(draft)
    with parquet.ParquetWriter(stream, schema) as writer:
        while part := list(itertools.islice(rows, _ROWS)):
            columns = zip(*part, strict=True)
            arrays = [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _rows(draft: Draft) -> Iterator[tuple[Any, ...]]:
    """One row a face; a picture without one has a row all the same, that says so."""
    for row in draft.rows():
        picture = (row.name, row.height, row.width, row.code)
        if not len(row.numbers):
            yield (*picture, None, None, None, None, None)
        for place, face in enumerate(row.numbers):
            yield (*picture, place, face[:4], face[4:14], face[14], face[15:])


ENDINGS: Final[Mapping[str, Callable[[Draft, IO[bytes], str], None]]] = MappingProxyType(
    {".npz": _write_npz, ".parquet": _write_parquet}
)
"""Writers by ending of the file."""


def _arrow(name: str) -> Any:
    return require(name, extra="parquet", what="Parquet files need")
