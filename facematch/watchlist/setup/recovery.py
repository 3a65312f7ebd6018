"""Setting up a watchlist once, unlocking it ever after, and putting right what was cut off or restored.

A new database gets a vault, its keys, a first policy and an owner, in one transaction. Opening an existing one unlocks
the vault and then reconciles the two files: endings that the vault knows and the database does not are carried out,
keys of erased subjects are destroyed, and a database older than its vault is suspended until two people lift that.
"""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, insert, select, update

from facematch.errors import KeyUnavailable, PolicyInvalid
from facematch.governance import (
    AuditAction,
    AuditOutcome,
    ConsentState,
    to_microseconds,
)
from facematch.governance.keys import FileKeys, StaticKeys, new_key
from facematch.governance.policy import Policy
from facematch.governance.roles import Role
from facematch.protocols import KeyProvider
from facematch.settings import Settings
from facematch.storage.database import Database
from facematch.storage.integrity.governance_mac import check_governance_mac, write_governance_mac
from facematch.storage.key_vault import KeyVault, require_unused, vault_path
from facematch.storage.schema import actor_roles, actors, consents, meta, policies
from facematch.watchlist.administration.policies import add_policy
from facematch.watchlist.consents.end import carry_out, suspend_restored
from facematch.watchlist.session import Core

__all__ = ["check_policy", "default_keys", "finish", "reconcile", "unlock"]


def default_keys(database: Database, settings: Settings, *, new: bool) -> KeyProvider:
    """The key of a watchlist where none is given: from the settings, else a file beside the database.

    Args:
        database: The database.
        settings: Machine settings; ``FACEMATCH_KEY`` wins over the file.
        new: Whether a key file may be made.

    Raises:
        KeyUnavailable: The settings hold no usable key, or the file cannot be written.
    """
    if settings.key is not None:
        previous = [key.get_secret_value() for key in settings.previous_keys]
        return StaticKeys.from_text(settings.key.get_secret_value(), previous)
    if database.path is None:
        return StaticKeys(new_key())
    beside = database.path.with_name(f"{database.path.name}.key")
    path = beside if settings.key_file is None else settings.key_file
    return FileKeys.create(path) if new else FileKeys(path)


def unlock(database: Database, keys: KeyProvider | None, settings: Settings) -> tuple[KeyVault, bool]:
    """The vault of a database, and whether it is new.

    Raises:
        KeyUnavailable: The vault or its key is missing, or the key is another one.
        VaultCorrupt: The vault is damaged or belongs to another watchlist.
    """
    watchlist_id = _watchlist_id(database)
    path = vault_path(database.path)
    if watchlist_id is None:
        with database.write() as connection:  # one process at a time sets up
            watchlist_id = connection.execute(select(meta.c.watchlist_id)).scalar_one()
            if watchlist_id is None:
                require_unused(path)  # before a key file is made
                watchlist_id = str(uuid.uuid4())
                provider = default_keys(database, settings, new=True) if keys is None else keys
                vault = KeyVault.create(path, provider, watchlist_id)
                for name in ("lookup", "signing", "rotation:1"):
                    vault.make_key(name)
                connection.execute(update(meta).values(watchlist_id=watchlist_id))
                return vault, True
    if path is None:
        raise KeyUnavailable("a watchlist in memory cannot be opened twice", hint="share the Watchlist object")
    provider = default_keys(database, settings, new=False) if keys is None else keys
    return KeyVault.open(path, provider, watchlist_id), False


def finish(core: Core, policy: Policy) -> None:
    """Give a watchlist that has none yet a signing key, a policy and an owner, and begin its audit log.

    Does nothing where that is done. A set-up that was cut off is finished by the next opening.
    """
    with core.database.read() as connection:
        if _is_set_up(connection):
            return
    with core.database.write() as connection:
        if _is_set_up(connection):
            return
        now = core.now()
        moment = to_microseconds(now)
        add_policy(connection, policy, effective_from=now, now=now, actor=core.actor)
        connection.execute(insert(actors).values(name=core.actor, created_at=moment))
        connection.execute(
            insert(actor_roles).values(
                actor=core.actor, role=Role.OWNER.value, granted_by=core.actor, granted_at=moment
            )
        )
        details = {"policy": policy.digest, "owner": core.actor, "generation": core.store.generation(connection)}
        write_governance_mac(connection, core.codec)
        core.audit(connection, AuditAction.CREATE_WATCHLIST, AuditOutcome.DONE, details, now=now)


def check_policy(core: Core, wanted: Policy | None) -> None:
    """Refuse a policy given for a watchlist that already has another one.

    Raises:
        PolicyInvalid: It has.
    """
    if wanted is None:
        return
    with core.database.read() as connection:
        ruling = core.policy(connection, core.now())
    if ruling.digest != wanted.digest:
        raise PolicyInvalid(
            "the watchlist has another policy than the one given",
            hint="change it with Watchlist.policies.set(), or open the watchlist without a policy",
        )


def reconcile(core: Core) -> None:
    """Carry out what the vault knows and the database does not, and the other way round."""
    endings, high = core.vault.endings(), core.vault.high_water  # before the database, which another process moves on
    with core.database.read() as connection:
        generation = core.store.generation(connection)
        references = core.store.references(connection)
        open_records = core.filing.open_records(connection)
        closed = _closed_records(connection)
    unended = [record for record in open_records if record[0] in endings]
    unerased = [ref for ref in references if endings.get(ref, ("", 0))[0] == "ERASED"]
    restored = high > generation
    if high < generation:
        core.vault.note_generation(generation)
    unnoted = [row for row in closed if row[1] not in endings]
    if unnoted:
        core.vault.note_endings(unnoted)
    broken = bool(unended or unerased or restored)
    if broken:
        restored = _repair(core)
        core.database.scrub(required=False)
    if broken or not set(core.codec.subject_refs()) <= set(references):
        _destroy_orphans(core, core.vault.endings(), restored=restored)


def _destroy_orphans(core: Core, endings: dict[str, tuple[str, int]], *, restored: bool) -> None:
    """Destroy the keys of subjects that were erased, and the one of an enrollment that never committed.

    A key made at the present generation, for a subject that is not there, can only be of the latter kind. Other keys
    without a subject stay: a backup that is not put back yet may need them.
    """
    with core.database.write() as connection:  # an enrollment makes its key while it holds this lock
        references = core.store.references(connection)
        generation = core.store.generation(connection)
        for ref, made in core.codec.subject_refs().items():
            erased = endings.get(ref, ("", 0))[0] == "ERASED"
            if ref not in references and (erased or (made == generation and not restored)):
                core.codec.destroy_subject(ref)


def _repair(core: Core) -> bool:
    """Carry out endings, and suspend where the database is older than its vault; returns whether it is."""
    with core.database.write() as connection:
        check_governance_mac(connection, core.codec)
        now = core.now()
        erased, ended = carry_out(core, connection)
        core.gallery.discard_file()
        high = core.vault.high_water
        restored = high > core.store.generation(connection)
        if restored:
            connection.execute(update(meta).where(meta.c.generation < high).values(generation=high))
            suspend_restored(core, connection, now)
        generation = core.store.bump(connection)
        if erased:
            core.store.mark_unscrubbed(connection, generation)
        details = {"ended": ended, "erased": erased, "restored": restored, "generation": generation}
        core.audit(connection, AuditAction.REPAIR, AuditOutcome.DONE, details, now=now)
    core.vault.note_generation(generation)
    return restored


def _closed_records(connection: Connection) -> list[tuple[str, str, int]]:
    final = (ConsentState.WITHDRAWN, ConsentState.REVOKED, ConsentState.INVALIDATED)
    query = select(consents.c.state, consents.c.record_id, consents.c.valid_until).where(
        consents.c.state.in_([state.value for state in final])
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def _watchlist_id(database: Database) -> str | None:
    with database.read() as connection:
        found: str | None = connection.execute(select(meta.c.watchlist_id)).scalar_one()
        return found


def _is_set_up(connection: Connection) -> bool:
    return connection.execute(select(policies.c.version).limit(1)).scalar() is not None
