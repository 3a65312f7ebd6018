"""Creation of a watchlist: vault, keys, first policy and owner; unlocking it ever after."""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, insert, select, update

from facematch.errors import KeyUnavailable, PolicyInvalid
from facematch.governance import AuditAction, AuditOutcome, to_microseconds
from facematch.governance.keys import FileKeys, StaticKeys, new_key
from facematch.governance.policy import Policy
from facematch.governance.roles import Role
from facematch.protocols import KeyProvider
from facematch.settings import Settings
from facematch.storage.database import Authorization, Database
from facematch.storage.integrity.governance_mac import write_governance_mac
from facematch.storage.key_vault import KeyVault, require_unused, vault_path
from facematch.storage.policies import add_policy
from facematch.storage.schema import actor_roles, actors, meta, policies
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Maintenance, Session

__all__ = ["check_policy", "create", "default_keys", "unlock"]

_CREATION = Authorization("facematch", AuditAction.CREATE_WATCHLIST)


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
        with database.write(_CREATION) as connection:  # one process at a time sets up
            watchlist_id = connection.execute(select(meta.c.watchlist_id)).scalar_one()
            if watchlist_id is None:
                require_unused(path)  # before a key file is made
                watchlist_id = str(uuid.uuid4())
                provider = default_keys(database, settings, new=True) if keys is None else keys
                vault = KeyVault.create(path, provider, watchlist_id)
                try:
                    for name in ("lookup", "signing", "rotation:1"):
                        vault.make_key(name)
                    connection.execute(update(meta).values(watchlist_id=watchlist_id))
                except BaseException:
                    vault.close()
                    raise
                return vault, True
    if path is None:
        raise KeyUnavailable("a watchlist in memory cannot be opened twice", hint="share the Watchlist object")
    provider = default_keys(database, settings, new=False) if keys is None else keys
    return KeyVault.open(path, provider, watchlist_id), False


def create(resources: Resources, policy: Policy, *, actor: str) -> None:
    """Give a watchlist that has none yet a signing key, a policy and an owner, and begin its audit log.

    Does nothing where that is done. A set-up that was cut off is finished by the next opening.
    """
    with resources.database.read() as connection:
        if _is_set_up(connection):
            return
    operation = Maintenance(Session(resources, actor), AuditAction.CREATE_WATCHLIST)
    with resources.database.write(operation.authorization) as connection:  # there is nothing yet that a MAC covers
        if _is_set_up(connection):
            return
        now = operation.now()
        moment = to_microseconds(now)
        add_policy(connection, policy, effective_from=now, now=now, actor=actor)
        connection.execute(insert(actors).values(name=actor, created_at=moment))
        connection.execute(
            insert(actor_roles).values(actor=actor, role=Role.OWNER.value, granted_by=actor, granted_at=moment)
        )
        write_governance_mac(connection, resources.cipher)
        generation = resources.subjects.generation(connection)
        details = {"policy": policy.digest, "owner": actor, "generation": generation}
        resources.append_audit(connection, [operation.audit_record(AuditOutcome.DONE, details, now=now)])


def check_policy(resources: Resources, wanted: Policy | None) -> None:
    """Refuse a policy given for a watchlist that already has another one.

    Raises:
        PolicyInvalid: It has.
    """
    if wanted is None:
        return
    with resources.database.read() as connection:
        ruling = resources.governance.at(connection).policy(resources.now())
    if ruling.digest != wanted.digest:
        raise PolicyInvalid(
            "the watchlist has another policy than the one given",
            hint="change it with Watchlist.policies.set(), or open the watchlist without a policy",
        )


def _watchlist_id(database: Database) -> str | None:
    with database.read() as connection:
        found: str | None = connection.execute(select(meta.c.watchlist_id)).scalar_one()
        return found


def _is_set_up(connection: Connection) -> bool:
    return connection.execute(select(policies.c.version).limit(1)).scalar() is not None
