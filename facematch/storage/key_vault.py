"""The vault: a small file beside the database that holds its wrapped keys, and what must survive a restored backup.

Data keys do not lie in the database. A backup of the database therefore never holds them, and destroying one here
makes what it sealed unreadable in every backup. For the same reason the vault remembers which consents ended and which
subjects were erased: putting an old database back does not bring them back.

Keep one current copy of the vault in another place, and overwrite it after each erasure; never keep old ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from facematch.errors import KeyUnavailable, VaultCorrupt
from facematch.governance.keys import SigningKey, derive, new_key, seal, unseal
from facematch.protocols import KeyProvider
from facematch.storage.vault_file import FORMAT, RESTORE, VaultFile, require_unused, vault_path

__all__ = ["KeyVault", "Tombstone", "require_unused", "vault_path"]

Tombstone: TypeAlias = tuple[str, str, int]
"""Kind (a final consent state, or ``ERASED``), reference (of a consent record or a subject), time in microseconds."""


class KeyVault:
    """The keys of one watchlist, unwrapped only in memory. Threads may share it; processes may open the same file.

    Args:
        file: The vault's file.
        provider: Wraps and unwraps the vault key.

    Raises:
        KeyUnavailable: The provider cannot unwrap the vault key.
        VaultCorrupt: The vault is damaged.
    """

    def __init__(self, file: VaultFile, provider: KeyProvider) -> None:
        self._file = file
        self._provider = provider
        self._unlocked: tuple[bytes, bytes] | None = None
        with file.reading() as connection:
            row = connection.execute("SELECT format, watchlist_id FROM vault").fetchone()
        if row is None or row[0] != FORMAT or not isinstance(row[1], str):
            raise VaultCorrupt(f"{file.name} has lost its table of contents", hint=RESTORE)
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
        wrapped = provider.wrap(new_key(), _context(watchlist_id))
        file = VaultFile.create(path, watchlist_id, provider.key_id, wrapped)
        try:
            return cls(file, provider)
        except BaseException:
            file.close()
            raise

    @classmethod
    def open(cls, path: Path, provider: KeyProvider, watchlist_id: str) -> KeyVault:
        """The vault of a watchlist.

        Raises:
            KeyUnavailable: The file is missing, or the provider has not its key.
            VaultCorrupt: It is damaged, or belongs to another watchlist.
        """
        file = VaultFile.open(path)
        try:
            vault = cls(file, provider)
            if vault.watchlist_id != watchlist_id:
                raise VaultCorrupt(f"{file.name} belongs to another watchlist", hint=RESTORE)
            return vault
        except BaseException:
            file.close()
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
        with self._file.writing() as connection:
            for title, value in {name: key, **(beside or {})}.items():
                wrapped = seal(self._vault_key(), value, self._binding(title))
                connection.execute("INSERT INTO keys VALUES (?, ?, ?)", (title, wrapped, generation))
        return key

    def key(self, name: str) -> bytes:
        """The key of that name.

        Raises:
            KeyUnavailable: There is none, or it is damaged.
        """
        with self._file.reading() as connection:
            row = connection.execute("SELECT wrapped FROM keys WHERE name = ?", (name,)).fetchone()
            vault_key = self._vault_key()
        if row is None:
            raise KeyUnavailable(
                f"{self._file.name} has no key {name!r}: it was destroyed, or the vault is an older copy", hint=RESTORE
            )
        return unseal(vault_key, row[0], self._binding(name), what=f"the key {name!r}")

    def keys(self, prefix: str) -> dict[str, bytes]:
        """All keys whose names begin so, by the rest of their names.

        Raises:
            KeyUnavailable: One is damaged.
        """
        with self._file.reading() as connection:
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
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT name, generation FROM keys WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
            ).fetchall()
        return dict(rows)

    def destroy(self, *names: str) -> bool:
        """Destroy keys for good; their bytes are overwritten in the file. Returns whether there was one."""
        with self._file.writing() as connection:
            return sum(connection.execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount for name in names) > 0

    def signing_key(self, name: str = "signing") -> SigningKey:
        """The key that signs heads, checkpoints, receipts and certificates."""
        return SigningKey(derive(self.key(name), "ed25519"))

    def rotate(self) -> tuple[str, str]:
        """Lock everything under a new vault key, wrapped by the provider's current key.

        Returns:
            Names of the provider's key before and after.
        """
        with self._file.writing() as connection:
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
        with self._file.reading() as connection:
            return str(connection.execute("SELECT provider_key FROM vault").fetchone()[0])

    # --- what a restored backup must not undo

    def record_tombstones(self, tombstones: Sequence[Tombstone]) -> None:
        """Record for good what has ended; what is recorded already stays as it is.

        Args:
            tombstones: Kind (a final consent state, or ``ERASED``), reference and time of each.
        """
        with self._file.writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO tombstones VALUES (?, ?, ?)", tombstones)

    def remove_tombstones(self, tombstones: Sequence[Tombstone]) -> None:
        """Take back what was noted for a transaction that then failed."""
        with self._file.writing() as connection:
            connection.executemany("DELETE FROM tombstones WHERE kind = ? AND ref = ? AND time = ?", tombstones)

    def note_generation(self, generation: int) -> None:
        """Remember that the database reached this generation, so that an older one is known for what it is."""
        with self._file.writing() as connection:
            connection.execute("UPDATE vault SET high_water = max(high_water, ?)", (generation,))

    def tombstones(self) -> dict[str, tuple[str, int]]:
        """All tombstones: reference to kind and time; an erasure outweighs what ended before it."""
        with self._file.reading() as connection:
            query = "SELECT ref, kind, time FROM tombstones ORDER BY kind = 'ERASED', time"
            rows = connection.execute(query).fetchall()
        return {ref: (kind, time) for ref, kind, time in rows}

    @property
    def high_water(self) -> int:
        """The highest generation noted."""
        with self._file.reading() as connection:
            return int(connection.execute("SELECT high_water FROM vault").fetchone()[0])

    def copy_to(self, path: Path) -> None:
        """Write a copy of the vault, replacing the file at ``path``; it holds wrapped keys only.

        Raises:
            KeyUnavailable: It cannot be written.
        """
        self._file.backup_to(path)

    def close(self) -> None:
        """Close the file and forget the vault key; may be called again."""
        self._unlocked = None
        self._file.close()

    # --- inside

    def _vault_key(self) -> bytes:
        """The unwrapped vault key; unwrapped again when another process has rotated it."""
        with self._file.reading() as connection:
            row = connection.execute("SELECT provider_key, wrapped FROM vault").fetchone()
            if row is None or not isinstance(row[1], bytes):
                raise VaultCorrupt(f"{self._file.name} is damaged", hint=RESTORE)
            unlocked = self._unlocked
            if unlocked is None or unlocked[0] != row[1]:
                key = self._provider.unwrap(str(row[0]), row[1], _context(self.watchlist_id))
                unlocked = self._unlocked = (row[1], key)
            return unlocked[1]

    def _binding(self, name: str) -> bytes:
        return f"facematch vault\n{self.watchlist_id}\n{name}".encode()


def _context(watchlist_id: str) -> bytes:
    return f"facematch vault key\n{watchlist_id}".encode()
