"""The vault: a small file beside the database that holds its wrapped keys, and what must survive a restored backup.

Data keys do not lie in the database. A backup of the database therefore never holds them, and destroying one here
makes what it sealed unreadable in every backup. For the same reason the vault remembers which consents ended and which
subjects were erased: putting an old database back does not bring them back.

Keep one current copy of the vault in another place, and overwrite it after each erasure; never keep old ones.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from facematch.errors import DatabaseUnavailable, KeyUnavailable, VaultCorrupt, WatchlistError
from facematch.governance.keys import SigningKey, derive, new_key, seal, unseal
from facematch.protocols import KeyProvider
from facematch.storage.errors import as_facematch_error

__all__ = ["KeyVault", "Tombstone", "require_unused", "vault_path"]

Tombstone: TypeAlias = tuple[str, str, int]
"""Kind (a final consent state, or ``ERASED``), reference (of a consent record or a subject), time in microseconds."""

_FORMAT = 1
_APPLICATION_ID = 0x464D5631  # FMV1
_MAGIC = b"SQLite format 3\0"
_BUSY_S = 15.0
_RESTORE = "put the vault file of this watchlist back; without it nothing can be read"

_SCHEMA = """
CREATE TABLE vault (
    id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, watchlist_id TEXT NOT NULL,
    provider_key TEXT NOT NULL, wrapped BLOB NOT NULL, high_water INTEGER NOT NULL
);
CREATE TABLE keys (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tombstones (
    kind TEXT NOT NULL, ref TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (kind, ref)
) WITHOUT ROWID;
"""


def vault_path(database: Path | None) -> Path | None:
    """Where the vault of a database lies: beside it, with ``.vault`` at its name's end; ``None`` for memory."""
    return None if database is None else database.with_name(f"{database.name}.vault")


class KeyVault:
    """The keys of one watchlist, unwrapped only in memory. Threads may share it; processes may open the same file.

    Args:
        connection: An open connection to the vault.
        provider: Wraps and unwraps the vault key.
        name: The vault in words, for messages.

    Raises:
        KeyUnavailable: The provider cannot unwrap the vault key.
        VaultCorrupt: The vault is damaged.
    """

    def __init__(self, connection: sqlite3.Connection, provider: KeyProvider, name: str) -> None:
        self._connection = connection
        self._provider = provider
        self._name = name
        self._lock = threading.RLock()
        self._unlocked: tuple[bytes, bytes] | None = None
        with self._errors():
            row = connection.execute("SELECT format, watchlist_id FROM vault").fetchone()
        if row is None or row[0] != _FORMAT or not isinstance(row[1], str):
            raise VaultCorrupt(f"{name} has lost its table of contents", hint=_RESTORE)
        self.watchlist_id = row[1]
        self._vault_key()  # a wrong key shows now, not at the first search

    @classmethod
    def create(cls, path: Path | None, provider: KeyProvider, watchlist_id: str) -> KeyVault:
        """A new vault; one that holds no subject's key yet, left by a set-up that was cut off, is replaced.

        Raises:
            VaultCorrupt: There is one already, and it holds keys.
            KeyUnavailable: The provider cannot wrap.
        """
        require_unused(path)
        if path is not None:
            path.unlink(missing_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = _connect(path)
        try:
            vault_key = new_key()
            wrapped = provider.wrap(vault_key, _context(watchlist_id))
            with _as_ours(_name_of(path)):
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
                connection.execute(
                    "INSERT INTO vault VALUES (1, ?, ?, ?, ?, 0)", (_FORMAT, watchlist_id, provider.key_id, wrapped)
                )
                connection.execute("COMMIT")
            return cls(connection, provider, _name_of(path))
        except BaseException:
            connection.close()
            raise

    @classmethod
    def open(cls, path: Path, provider: KeyProvider, watchlist_id: str) -> KeyVault:
        """The vault of a watchlist.

        Raises:
            KeyUnavailable: The file is missing, or the provider has not its key.
            VaultCorrupt: It is damaged, or belongs to another watchlist.
        """
        name = _name_of(path)
        try:
            with path.open("rb") as stream:
                head = stream.read(len(_MAGIC))
        except FileNotFoundError as error:
            raise KeyUnavailable(f"{name} is missing", hint=_RESTORE) from error
        except OSError as error:
            raise KeyUnavailable(f"{name} cannot be read: {error.strerror}", hint="check its permissions") from error
        if head != _MAGIC:
            raise VaultCorrupt(f"{name} is empty, damaged or no vault", hint=_RESTORE)
        connection = _connect(path)
        try:
            with _as_ours(name):
                finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                application = connection.execute("PRAGMA application_id").fetchone()[0]
            if finding != "ok" or application != _APPLICATION_ID:
                raise VaultCorrupt(f"{name} is damaged or no vault: {finding}", hint=_RESTORE)
            vault = cls(connection, provider, name)
            if vault.watchlist_id != watchlist_id:
                raise VaultCorrupt(f"{name} belongs to another watchlist", hint=_RESTORE)
            return vault
        except BaseException:
            connection.close()
            raise

    # --- keys

    def make_key(self, name: str, *, generation: int = 0, beside: Mapping[str, bytes] | None = None) -> bytes:
        """Make, store and return a new random key.

        Args:
            name: Its name.
            generation: Generation of the database that it is made for.
            beside: Values of 32 bytes by name, kept like keys, in the same transaction.

        Raises:
            VaultCorrupt: There is one of that name.
        """
        key = new_key()
        with self._writing() as connection:
            for title, value in {name: key, **(beside or {})}.items():
                wrapped = seal(self._vault_key(), value, self._binding(title))
                connection.execute("INSERT INTO keys VALUES (?, ?, ?)", (title, wrapped, generation))
        return key

    def key(self, name: str) -> bytes:
        """The key of that name.

        Raises:
            KeyUnavailable: There is none, or it is damaged.
        """
        with self._reading() as connection:
            row = connection.execute("SELECT wrapped FROM keys WHERE name = ?", (name,)).fetchone()
            vault_key = self._vault_key()
        if row is None:
            raise KeyUnavailable(
                f"{self._name} has no key {name!r}: it was destroyed, or the vault is an older copy", hint=_RESTORE
            )
        return unseal(vault_key, row[0], self._binding(name), what=f"the key {name!r}")

    def keys(self, prefix: str) -> dict[str, bytes]:
        """All keys whose names begin so, by the rest of their names.

        Raises:
            KeyUnavailable: One is damaged.
        """
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT name, wrapped FROM keys WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
            ).fetchall()
            vault_key = self._vault_key()
        return {
            name[len(prefix) :]: unseal(vault_key, wrapped, self._binding(name), what=f"the key {name!r}")
            for name, wrapped in rows
        }

    def names(self, prefix: str = "") -> dict[str, int]:
        """Names of the keys that begin so, and the generation of the database that each was made for."""
        with self._lock, self._errors():
            rows = self._connection.execute(
                "SELECT name, generation FROM keys WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
            ).fetchall()
        return dict(rows)

    def destroy(self, *names: str) -> bool:
        """Destroy keys for good; their bytes are overwritten in the file. Returns whether there was one."""
        with self._writing() as connection:
            return sum(connection.execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount for name in names) > 0

    def signing_key(self, name: str = "signing") -> SigningKey:
        """The key that signs heads, checkpoints, receipts and certificates."""
        return SigningKey(derive(self.key(name), "ed25519"))

    def rotate(self) -> tuple[str, str]:
        """Lock everything under a new vault key, wrapped by the provider's current key.

        Returns:
            Names of the provider's key before and after.
        """
        with self._writing() as connection:
            old = self._vault_key()
            before = connection.execute("SELECT provider_key FROM vault").fetchone()[0]
            fresh = new_key()
            after = self._provider.key_id
            rows = connection.execute("SELECT name, wrapped FROM keys").fetchall()
            for name, wrapped in rows:
                plain = unseal(old, wrapped, self._binding(name), what=f"the key {name!r}")
                sealed = seal(fresh, plain, self._binding(name))
                connection.execute("UPDATE keys SET wrapped = ? WHERE name = ?", (sealed, name))
            connection.execute(
                "UPDATE vault SET provider_key = ?, wrapped = ?",
                (after, self._provider.wrap(fresh, _context(self.watchlist_id))),
            )
        return before, after

    @property
    def provider(self) -> KeyProvider:
        """What wraps the vault key."""
        return self._provider

    @property
    def provider_key(self) -> str:
        """Name of the provider's key that the vault key is wrapped under."""
        with self._lock, self._errors():
            return str(self._connection.execute("SELECT provider_key FROM vault").fetchone()[0])

    # --- what a restored backup must not undo

    def record_tombstones(self, tombstones: Sequence[Tombstone]) -> None:
        """Record for good what has ended; what is recorded already stays as it is.

        Args:
            tombstones: Kind (a final consent state, or ``ERASED``), reference and time of each.
        """
        with self._writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO tombstones VALUES (?, ?, ?)", tombstones)

    def remove_tombstones(self, tombstones: Sequence[Tombstone]) -> None:
        """Take back what was noted for a transaction that then failed."""
        with self._writing() as connection:
            connection.executemany("DELETE FROM tombstones WHERE kind = ? AND ref = ? AND time = ?", tombstones)

    def note_generation(self, generation: int) -> None:
        """Remember that the database reached this generation, so that an older one is known for what it is."""
        with self._writing() as connection:
            connection.execute("UPDATE vault SET high_water = max(high_water, ?)", (generation,))

    def tombstones(self) -> dict[str, tuple[str, int]]:
        """All tombstones: reference to kind and time; an erasure outweighs what ended before it."""
        with self._lock, self._errors():
            query = "SELECT ref, kind, time FROM tombstones ORDER BY kind = 'ERASED', time"
            rows = self._connection.execute(query).fetchall()
        return {ref: (kind, time) for ref, kind, time in rows}

    @property
    def high_water(self) -> int:
        """The highest generation noted."""
        with self._lock, self._errors():
            return int(self._connection.execute("SELECT high_water FROM vault").fetchone()[0])

    def copy_to(self, path: Path) -> None:
        """Write a copy of the vault, replacing the file at ``path``; it holds wrapped keys only.

        Raises:
            KeyUnavailable: It cannot be written.
        """
        temporary = path.with_name(f".{path.name}.part")
        try:
            temporary.unlink(missing_ok=True)
            os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            with self._lock, self._errors(), closing(sqlite3.connect(temporary)) as target:
                self._connection.backup(target)
            temporary.replace(path)
        except OSError as error:
            raise KeyUnavailable(
                f"the copy of the vault cannot be written: {error.strerror or error}", hint="check the path"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file and forget the vault key; may be called again."""
        with self._lock:
            self._unlocked = None
            self._connection.close()

    # --- inside

    def _vault_key(self) -> bytes:
        """The unwrapped vault key; unwrapped again when another process has rotated it."""
        with self._lock, self._errors():
            row = self._connection.execute("SELECT provider_key, wrapped FROM vault").fetchone()
            if row is None or not isinstance(row[1], bytes):
                raise VaultCorrupt(f"{self._name} is damaged", hint=_RESTORE)
            if self._unlocked is None or self._unlocked[0] != row[1]:
                key = self._provider.unwrap(str(row[0]), row[1], _context(self.watchlist_id))
                self._unlocked = (row[1], key)
            return self._unlocked[1]

    def _binding(self, name: str) -> bytes:
        return f"facematch vault\n{self.watchlist_id}\n{name}".encode()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with _as_ours(self._name):
            yield

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One moment of the file: a key and what it is locked under belong together, also while others rotate."""
        with self._lock, self._errors():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def require_unused(path: Path | None) -> None:
    """Refuse to begin a new watchlist beside a vault that is in use.

    Raises:
        VaultCorrupt: There is a vault already, and it holds keys.
    """
    if path is not None and path.exists() and _holds_subjects(path):
        raise VaultCorrupt(
            f"the vault {str(path)!r} holds keys, but the database beside it is new",
            hint="put the database back from a backup, or move the vault away to begin a new watchlist",
        )


def _context(watchlist_id: str) -> bytes:
    return f"facematch vault key\n{watchlist_id}".encode()


def _name_of(path: Path | None) -> str:
    return "the vault in memory" if path is None else f"the vault {str(path)!r}"


def _connect(path: Path | None) -> sqlite3.Connection:
    target = ":memory:" if path is None else str(path)
    connection = sqlite3.connect(target, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        with _as_ours(_name_of(path)):
            for pragma in ("secure_delete = ON", "synchronous = EXTRA", "journal_mode = DELETE"):
                connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _holds_subjects(path: Path) -> bool:
    """Whether there is anything to lose in a vault whose database is new."""
    if path.stat().st_size == 0:
        return False
    with _as_ours(_name_of(path)), closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'keys'").fetchone()[0]
        if not tables:
            return False
        found = connection.execute("SELECT count(*) FROM keys WHERE name LIKE 'subject:%'").fetchone()[0]
        ended = connection.execute("SELECT count(*) FROM tombstones").fetchone()[0]
    return bool(found + ended)


@contextmanager
def _as_ours(name: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise VaultCorrupt(f"{name} is damaged: a text in it is no UTF-8", hint=_RESTORE) from error
    except sqlite3.Error as error:
        ours: WatchlistError = as_facematch_error(error, name)
        if isinstance(ours, DatabaseUnavailable):
            raise ours from error
        raise VaultCorrupt(f"{name} is damaged: {error}", hint=_RESTORE) from error
