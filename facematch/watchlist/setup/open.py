"""Opening a watchlist: its database, vault, keys, gallery, policy and owner."""

from __future__ import annotations

import logging
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from facematch.gallery.cache_file import GalleryCacheFile
from facematch.gallery.gallery import Gallery
from facematch.governance import utc_now
from facematch.governance.names import check_name
from facematch.governance.policy import Policy
from facematch.matching.threshold import check_threshold
from facematch.protocols import Analyzer, Clock, KeyProvider, VectorIndex
from facematch.settings import Settings, Use
from facematch.storage.database import Database
from facematch.storage.encryption import SubjectCipher
from facematch.storage.governance_state import GovernanceStateCache
from facematch.storage.subjects import SubjectTable
from facematch.watchlist.analyzer import LazyAnalyzer
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Session
from facematch.watchlist.setup.create import check_policy, create, unlock
from facematch.watchlist.setup.defaults import index_factory, login_name, named_policy
from facematch.watchlist.setup.recovery import reconcile

__all__ = ["open_session"]


logger = logging.getLogger(__name__)


def open_session(
    url: str,
    *,
    actor: str | None,
    analyzer: Analyzer | None,
    pack: str | Path,
    use: Use | None,
    clock: Clock | None,
    threshold: float | None,
    index: str | Callable[[int], VectorIndex],
    keys: KeyProvider | None,
    policy: Policy | str | PathLike[str] | None,
    settings: Settings | None,
) -> Session:
    """The first session on a watchlist, which is created where there is none; see ``Watchlist.open``."""
    floor = None if threshold is None else check_threshold(threshold)
    configured = Settings() if settings is None else settings
    name = check_name(login_name(settings) if actor is None else actor, "actor")
    new_index = index_factory(index, configured.memory_budget)
    wanted = named_policy(policy)
    database = Database(url)
    try:
        vault, new = unlock(database, keys, configured)
        try:
            cipher = SubjectCipher(vault)
            governance = GovernanceStateCache(cipher)
            file = GalleryCacheFile(database, vault) if configured.gallery_file else None
            resources = Resources(
                database,
                cipher,
                Gallery(SubjectTable(cipher), new_index, governance, file),
                governance,
                clock=utc_now if clock is None else clock,
                analyzer=LazyAnalyzer(analyzer, pack=pack, use=use, settings=settings),
                threshold=floor,
            )
            create(resources, Policy.profile("access-control") if wanted is None else wanted, actor=name)
            if not new:
                reconcile(resources, actor=name)
            check_policy(resources, wanted)
            if analyzer is not None:
                with database.read() as connection:
                    resources.subjects.check_contract(connection, analyzer.contract)
        except BaseException:
            vault.close()
            raise
    except BaseException:
        database.close()
        raise
    logger.info("watchlist opened", extra={"database": database.name, "new": new})
    return Session(resources, name)
