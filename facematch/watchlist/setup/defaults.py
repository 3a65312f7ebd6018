"""What a watchlist loads when it is first needed: the analyzer, an index of the wanted kind, the user's login name."""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Callable
from pathlib import Path

from facematch import registry
from facematch.protocols import Analyzer, VectorIndex
from facematch.settings import Settings, Use
from facematch.watchlist.session import Core

__all__ = ["LazyAnalyzer", "index_factory", "login_name"]


class LazyAnalyzer:
    """The analyzer of a watchlist: the one given, or one made from a pack on first need.

    Args:
        given: An analyzer to use, or ``None``.
        pack: Model pack to load otherwise.
        use: What the models are used for.
        settings: Machine settings.
    """

    def __init__(self, given: Analyzer | None, *, pack: str | Path, use: Use | None, settings: Settings | None) -> None:
        self._analyzer = given
        self._pack = pack
        self._use = use
        self._settings = settings
        self._lock = threading.Lock()

    def get(self, core: Core) -> Analyzer:
        """The analyzer; its contract is checked against the database's before it is used.

        Raises:
            ContractMismatch: It makes other vectors than the enrolled ones.
            ModelError: The pack cannot be loaded.
        """
        with self._lock:
            if self._analyzer is None:
                from facematch.faces import FaceAnalyzer  # the runtime takes a while to import

                loaded = FaceAnalyzer.from_pack(self._pack, use=self._use, settings=self._settings)
                with core.database.read() as connection:
                    core.store.check_contract(connection, loaded.contract)
                self._analyzer = loaded
            return self._analyzer


def index_factory(
    index: str | Callable[[int], VectorIndex], memory_budget: int | None = None
) -> Callable[[int], VectorIndex]:
    """What makes an empty index of a given dimension.

    Args:
        index: Name of a registered kind, or something that makes one.
        memory_budget: Bytes that a registered kind may take; ``None`` for no limit.

    Raises:
        InvalidArgument: No index of that name is registered.
    """
    if callable(index):
        return index
    if index not in registry.available("facematch.indexes"):
        registry.load("facematch.indexes", index)  # raises, and says what is registered

    def make(dimension: int) -> VectorIndex:
        limit = {} if memory_budget is None else {"memory_budget": memory_budget}
        made: VectorIndex = registry.load("facematch.indexes", index)(dimension, **limit)
        return made

    return make


def login_name(settings: Settings | None) -> str:
    """Who is using the watchlist where nobody says: the settings' actor, else the login name."""
    if settings is not None and settings.actor is not None:
        return settings.actor
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid-{os.getuid()}"
