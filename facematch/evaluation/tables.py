"""CSV lists that people write: read strictly, with the line in every complaint."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from facematch.errors import InvalidArgument

__all__ = ["read_table"]


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Rows of a CSV file with a header, UTF-8, values stripped of surrounding blanks.

    Args:
        path: The file.
        columns: Columns that must be there and filled in; others are ignored.

    Yields:
        ``(line, {column: value})``.

    Raises:
        InvalidArgument: The file cannot be read, lacks a column, or has no rows or a row without a value.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            if absent := [column for column in columns if column not in (reader.fieldnames or ())]:
                raise InvalidArgument(
                    f"{path} lacks the column {', '.join(absent)}", hint=f"the first line reads {','.join(columns)}"
                )
            rows = [(reader.line_num, {column: (row[column] or "").strip() for column in columns}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidArgument(f"{path} cannot be read as CSV: {error}") from error
    if not rows:
        raise InvalidArgument(f"{path} has a header and no rows")
    for line, row in rows:
        if empty := [column for column, value in row.items() if not value]:
            raise InvalidArgument(f"{path}, line {line}: {', '.join(empty)} is empty")
        yield line, row
