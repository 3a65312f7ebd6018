"""Providers of the key-encryption key: a file, a value (from the environment), or a key service.

Each provider is a :class:`facematch.protocols.KeyProvider`. Key ids are not secret; key
bytes never appear in a message.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock

from facematch.errors import FacematchError, InvalidArgument, KeyUnavailable
from facematch.governance.keys.envelope import KEY_BYTES, new_key, seal, unseal

__all__ = ["CallableKeys", "FileKeys", "StaticKeys", "id_of"]

_FORMAT = "facematch-key-file-1"
_WHAT = "the vault key"


def id_of(key: bytes) -> str:
    """The public name of a key: the first 16 hex digits of a SHA-256 over a label and the key."""
    return hashlib.sha256(b"facematch key id\0" + key).hexdigest()[:16]


class StaticKeys:
    """Keys given as bytes, for example from the environment (``FACEMATCH_KEY``) or a secret store.

    Args:
        current: 32 bytes; everything new is wrapped under it.
        previous: Earlier keys, which still unwrap.

    Raises:
        InvalidArgument: A key has not 32 bytes.
    """

    def __init__(self, current: bytes, previous: Sequence[bytes] = ()) -> None:
        for key in (current, *previous):
            if not _is_key(key):
                raise InvalidArgument(
                    f"a key must be {KEY_BYTES} bytes", hint="make one with: openssl rand -base64 32, then decode it"
                )
        self._keys = {id_of(key): key for key in (*previous, current)}
        self._current = id_of(current)

    @classmethod
    def from_text(cls, current: str, previous: Sequence[str] = ()) -> StaticKeys:
        """The same from base64 text.

        Raises:
            InvalidArgument: A text is not the base64 form of 32 bytes.
        """
        return cls(_decoded(current), [_decoded(text) for text in previous])

    @property
    def key_id(self) -> str:
        """Name of the key that wraps."""
        return self._current

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """``key`` sealed under the current key."""
        return seal(self._keys[self._current], key, context)

    def unwrap(self, key_id: str, wrapped: bytes, context: bytes) -> bytes:
        """Undo :meth:`wrap`.

        Raises:
            KeyUnavailable: The key of that id is not there, or the bytes do not fit it.
        """
        if key_id not in self._keys:
            raise KeyUnavailable(
                f"the watchlist is locked under the key {key_id}, the one given is {self._current}",
                hint="give the right key; an earlier one goes into FACEMATCH_PREVIOUS_KEYS",
            )
        return unseal(self._keys[key_id], wrapped, context, what=_WHAT)


class FileKeys:
    """Keys in a file that only its owner may read.

    Args:
        path: The file. It is made by :meth:`create`, never by reading.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> FileKeys:
        """A new file with one new key, readable by its owner only; an existing file is left as it is.

        Raises:
            KeyUnavailable: The file cannot be written.
        """
        made = cls(path)
        if not made.path.parent.is_dir():
            raise KeyUnavailable(
                f"the folder of the key file {str(made.path)!r} does not exist",
                hint=f"create it first: mkdir -p {made.path.parent}",
            )
        with made._locked():
            if not made.path.exists():
                key = new_key()
                made._write(id_of(key), {id_of(key): key})
        return made

    @property
    def key_id(self) -> str:
        """Name of the key that wraps.

        Raises:
            KeyUnavailable: The file is missing, damaged, or others may read it.
        """
        return self._read()[0]

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """``key`` sealed under the current key.

        Raises:
            KeyUnavailable: The file is missing, damaged, or others may read it.
        """
        current, keys = self._read()
        return seal(keys[current], key, context)

    def unwrap(self, key_id: str, wrapped: bytes, context: bytes) -> bytes:
        """Undo :meth:`wrap`.

        Raises:
            KeyUnavailable: The file has no such key, or the bytes do not fit it.
        """
        current, keys = self._read()
        if key_id not in keys:
            raise KeyUnavailable(
                f"the watchlist is locked under the key {key_id}, {str(self.path)!r} holds {current}",
                hint="put the right key file in its place",
            )
        return unseal(keys[key_id], wrapped, context, what=_WHAT)

    def add_key(self) -> str:
        """Add a new key and make it the current one; the earlier ones stay until :meth:`retire`. Returns its id."""
        with self._locked():
            _, keys = self._read()
            key = new_key()
            self._write(id_of(key), {**keys, id_of(key): key})
            return id_of(key)

    def retire(self) -> tuple[str, ...]:
        """Remove every key but the current one, once nothing is wrapped under them. Returns their ids."""
        with self._locked():
            current, keys = self._read()
            self._write(current, {current: keys[current]})
            return tuple(key_id for key_id in keys if key_id != current)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._guarded("written"), FileLock(self.path.with_name(f".{self.path.name}.lock"), mode=0o600):
            yield

    @contextlib.contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KeyUnavailable(
                f"the key file {str(self.path)!r} cannot be {what}: {error.strerror or error}",
                hint="check the path, its folder and their permissions",
            ) from error

    def _read(self) -> tuple[str, dict[str, bytes]]:
        with self._guarded("read"):
            try:
                mode = self.path.stat().st_mode
            except FileNotFoundError as error:
                raise KeyUnavailable(
                    f"there is no key file {str(self.path)!r}",
                    hint="put the key file back, or name another place for it with key=",
                ) from error
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeyUnavailable(
                    f"the key file {str(self.path)!r} can be read by others", hint=f"chmod 600 {self.path}"
                )
            text = self.path.read_bytes()
        try:
            document = json.loads(text)
            keys = {name: _decoded(value) for name, value in document["keys"].items()}
            current = document["current"]
            fits = document["format"] == _FORMAT and current in keys
            fits = fits and all(id_of(key) == name for name, key in keys.items())
        except (ValueError, LookupError, TypeError, AttributeError, FacematchError) as error:
            raise self._damaged() from error
        if not fits:
            raise self._damaged()
        return current, keys

    def _damaged(self) -> KeyUnavailable:
        return KeyUnavailable(
            f"the key file {str(self.path)!r} is empty, damaged or no key file", hint="restore it from its own backup"
        )

    def _write(self, current: str, keys: dict[str, bytes]) -> None:
        document = {
            "format": _FORMAT,
            "current": current,
            "keys": {name: base64.b64encode(key).decode() for name, key in keys.items()},
        }
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                json.dump(document, stream, indent=1)
                stream.write("\n")
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class CallableKeys:
    """Keys that stay in a key service: only two calls, to wrap and to unwrap 32 bytes.

    Args:
        key_id: Name of the key at the service that wraps from now on.
        wrap: ``wrap(key, context) -> bytes``.
        unwrap: ``unwrap(key_id, wrapped, context) -> bytes``.

    Whatever the callables raise reaches the caller as ``KeyUnavailable``.
    """

    def __init__(
        self, key_id: str, wrap: Callable[[bytes, bytes], bytes], unwrap: Callable[[str, bytes, bytes], bytes]
    ) -> None:
        self._key_id = key_id
        self._wrap = wrap
        self._unwrap = unwrap

    @property
    def key_id(self) -> str:
        """Name of the key that wraps."""
        return self._key_id

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """``key`` as the service wraps it.

        Raises:
            KeyUnavailable: The service failed.
        """
        return self._asked(lambda: self._wrap(key, context))

    def unwrap(self, key_id: str, wrapped: bytes, context: bytes) -> bytes:
        """Undo :meth:`wrap`.

        Raises:
            KeyUnavailable: The service failed, or answered with something that is no key.
        """
        key = self._asked(lambda: self._unwrap(key_id, wrapped, context))
        if not _is_key(key):
            raise KeyUnavailable(
                "the key service answered with something that is no key", hint="check the unwrap callable"
            )
        return key

    def _asked(self, call: Callable[[], bytes]) -> bytes:
        try:
            return call()
        except Exception as error:
            raise KeyUnavailable(
                f"the key service failed: {type(error).__name__}: {error}",
                hint="check the service and the permission to use its key",
            ) from error


def _is_key(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == KEY_BYTES


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidArgument("a key is not valid base64", hint="make one with: openssl rand -base64 32") from error
    if len(key) != KEY_BYTES:
        raise InvalidArgument(
            f"a key must have {KEY_BYTES} bytes, this one has {len(key)}", hint="make one with: openssl rand -base64 32"
        )
    return key
