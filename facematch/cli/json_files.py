"""Results that commands leave as JSON, in a file or on standard output."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from facematch.cli.output import print_json
from facematch.errors import InvalidArgument

__all__ = ["check_target", "publish_json"]

_STANDARD_OUTPUT: Final = Path("-")


def check_target(json_file: Path | None) -> None:
    """Refuse a file that cannot be written before anything is measured.

    Raises:
        InvalidArgument: Its folder is not there.
    """
    if json_file is None or json_file == _STANDARD_OUTPUT:
        return
    if not json_file.parent.is_dir():
        raise InvalidArgument(f"{json_file.parent} is not a folder", hint="name a file in a folder that exists")
    if json_file.is_dir() or not os.access(json_file if json_file.exists() else json_file.parent, os.W_OK):
        raise InvalidArgument(f"{json_file} cannot be written", hint="name a file that you may write")


def publish_json(document: Mapping[str, Any], json_file: Path | None) -> bool:
    """Write a result as JSON, if that is wanted. Returns whether standard output is taken by it.

    Raises:
        InvalidArgument: The file cannot be written.
    """
    if json_file == _STANDARD_OUTPUT:
        print_json(document)
        return True
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", "utf-8")
        except OSError as error:
            raise InvalidArgument(
                f"{json_file} cannot be written: {error.strerror}", hint="name a file in a folder that exists"
            ) from error
    return False
