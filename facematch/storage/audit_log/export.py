"""Writing the log into a folder that can be verified without facematch."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from facematch.errors import AuditTampered, InvalidArgument
from facematch.governance.audit.verifier import FORMAT
from facematch.governance.time import from_microseconds
from facematch.storage.audit_log.state import TAMPERED_HINT, Head
from facematch.storage.audit_log.verify import canonical_row
from facematch.storage.schema import audit, audit_checkpoints, audit_nodes, signing_keys

__all__ = ["publish", "require_free", "write_export"]

_CHUNK = 4096
_README = """\
Audit log {origin}
{size} entries, of which the first {pruned} have no content any more.

  entries.jsonl   the entries, one a line, in RFC 8785 form: the bytes that were hashed
  leaves.txt      the leaf hashes of these entries
  pruned.txt      the leaf hashes of the entries whose content was deleted
  head.json       the signed head: size and root of the tree
  checkpoints/    the signed checkpoints (C2SP signed notes)
  keys.json       the public keys; trust them only as far as this folder
  verify.py       the verifier; it needs Python 3.11 or later and the package "cryptography"

To verify, with a checkpoint and a public key that you kept elsewhere:

  python -I verify.py . --checkpoint KEPT.txt --public-key HEX

Better still, use a verify.py from a source that you trust. Without a checkpoint kept elsewhere, an older state of the
whole log that was put back cannot be found.
"""


def require_free(folder: str | os.PathLike[str]) -> Path:
    """The folder as an absolute path, where nothing is yet.

    Raises:
        InvalidArgument: Something is there, or its parent is no folder.
    """
    path = Path(folder).absolute()
    try:
        taken = path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir())))
    except OSError as error:
        raise InvalidArgument(f"{path.name!r} cannot be looked into: {error}", hint="name a new folder") from error
    if taken:
        raise InvalidArgument(f"{path.name!r} is already there", hint="name a new folder, or an empty one")
    if not path.parent.is_dir():
        raise InvalidArgument(f"the folder of {path.name!r} does not exist", hint=f"create it: mkdir -p {path.parent}")
    return path


def write_export(connection: Connection, head: Head, origin: str, parent: Path) -> Path:
    """Write the export into a new temporary folder beside its place, readable by its owner only.

    Args:
        connection: A connection in a transaction.
        head: The head of that transaction.
        origin: Name of the log.
        parent: Where to make the temporary folder.

    Raises:
        AuditTampered: An entry or a leaf cannot be written down because it is damaged.
        OSError: The folder cannot be written.
    """
    folder = Path(tempfile.mkdtemp(prefix=".audit-export-", dir=parent))
    try:
        _lines(folder / "entries.jsonl", _entries(connection, head))
        _lines(folder / "pruned.txt", _leaves(connection, 0, head.pruned))
        _lines(folder / "leaves.txt", _leaves(connection, head.pruned, head.size))
        _file(folder / "head.json", _json(_head(head, origin)))
        _file(folder / "keys.json", _json(_keys(connection)))
        _file(folder / "README.txt", _README.format(origin=origin, size=head.size, pruned=head.pruned).encode())
        verifier = resources.files("facematch.governance.audit").joinpath("verifier.py")
        _file(folder / "verify.py", verifier.read_bytes())
        (folder / "checkpoints").mkdir(mode=0o700)
        rows = select(audit_checkpoints.c.id, audit_checkpoints.c.note).order_by(audit_checkpoints.c.id)
        for number, note in connection.execute(rows):
            _file(folder / "checkpoints" / f"{number:06d}.txt", str(note).encode())
    except BaseException:
        shutil.rmtree(folder)
        raise
    return folder


def publish(written: Path, folder: Path) -> Path:
    """Give the temporary folder its name; fails with ``OSError`` when something else has taken it."""
    return written.rename(folder)


def _entries(connection: Connection, head: Head) -> Iterable[bytes]:
    for start in range(head.pruned, head.size, _CHUNK):
        query = select(audit).where(audit.c.seq > start, audit.c.seq <= start + _CHUNK).order_by(audit.c.seq)
        for row in connection.execute(query):
            line = canonical_row(row)
            if line is None:
                raise AuditTampered(f"audit entry {row[0]} is damaged", hint=TAMPERED_HINT)
            yield line


def _leaves(connection: Connection, start: int, end: int) -> Iterable[bytes]:
    for first in range(start, end, _CHUNK):
        query = (
            select(audit_nodes.c.hash)
            .where(audit_nodes.c.level == 0, audit_nodes.c.position >= first)
            .where(audit_nodes.c.position < min(first + _CHUNK, end))
            .order_by(audit_nodes.c.position)
        )
        for node in connection.execute(query).scalars():
            yield bytes(node).hex().encode()


def _head(head: Head, origin: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "origin": origin,
        "size": head.size,
        "root": head.root.hex(),
        "pruned": head.pruned,
        "key_id": head.key_id,
        "signature": base64.b64encode(head.signature).decode(),
    }


def _keys(connection: Connection) -> list[dict[str, Any]]:
    rows = connection.execute(select(signing_keys).order_by(signing_keys.c.created_at)).all()
    return [
        {
            "key_id": row.key_id,
            "public_key": bytes(row.public_key).hex(),
            "created_at": _written(from_microseconds(row.created_at)),
            "retired_at": None if row.retired_at is None else _written(from_microseconds(row.retired_at)),
        }
        for row in rows
    ]


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json(data: object) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()


def _lines(path: Path, lines: Iterable[bytes]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        for line in lines:
            stream.write(line + b"\n")


def _file(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
