"""Opening a watchlist: database, vault, keys, policy and owner."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from facematch.errors import InvalidArgument
from facematch.gallery.cache_file import GalleryCacheFile
from facematch.gallery.gallery import Gallery
from facematch.governance import utc_now
from facematch.governance.names import check_name
from facematch.governance.policy import PROFILES, Policy
from facematch.matching.threshold import check_threshold
from facematch.protocols import Analyzer, Clock, KeyProvider, VectorIndex
from facematch.settings import Settings, Use
from facematch.storage.database import Database
from facematch.storage.encryption import SubjectCipher
from facematch.storage.governance_state import GovernanceStateCache
from facematch.storage.subjects import SubjectTable
from facematch.watchlist.session import Core
from facematch.watchlist.setup.defaults import LazyAnalyzer, index_factory, login_name
from facematch.watchlist.setup.recovery import check_policy, finish, reconcile, unlock

__all__ = ["checked_threshold", "open_core"]


def open_core(
    url: str,
    *,
    actor: str | None,
    analyzer: Analyzer | None,
    pack: str | Path,
    use: Use | None,
    clock: Clock | None,
    index: str | Callable[[int], VectorIndex],
    keys: KeyProvider | None,
    policy: Policy | str | PathLike[str] | None,
    settings: Settings | None,
) -> tuple[Core, LazyAnalyzer]:
    """The parts of an open watchlist; see :meth:`facematch.watchlist.Watchlist.open`."""
    configured = Settings() if settings is None else settings
    name = check_name(login_name(settings) if actor is None else actor, "actor")
    new_index = index_factory(index, configured.memory_budget)
    wanted = _policy(policy)
    database = Database(url)
    try:
        vault, new = unlock(database, keys, configured)
        try:
            codec = SubjectCipher(vault)
            standing = GovernanceStateCache(codec)
            file = GalleryCacheFile(database, vault) if configured.gallery_file else None
            gallery = Gallery(SubjectTable(codec), new_index, standing, file)
            core = Core(database, codec, gallery, standing, actor=name, clock=utc_now if clock is None else clock)
            finish(core, Policy.profile("access-control") if wanted is None else wanted)
            if not new:
                reconcile(core)
            check_policy(core, wanted)
            if analyzer is not None:
                with database.read() as connection:
                    core.store.check_contract(connection, analyzer.contract)
        except BaseException:
            vault.close()
            raise
    except BaseException:
        database.close()
        raise
    return core, LazyAnalyzer(analyzer, pack=pack, use=use, settings=settings)


def checked_threshold(threshold: float | None, outgrown: str) -> float | None:
    """The watchlist's own threshold.

    Raises:
        InvalidArgument: A value is malformed.
    """
    if outgrown not in {"warn", "refuse"}:
        raise InvalidArgument(f"outgrown is 'warn' or 'refuse', got {outgrown!r}")
    return None if threshold is None else check_threshold(threshold)


def _policy(policy: Policy | str | PathLike[str] | None) -> Policy | None:
    if policy is None or isinstance(policy, Policy):
        return policy
    return Policy.profile(policy) if isinstance(policy, str) and policy in PROFILES else Policy.load(policy)
