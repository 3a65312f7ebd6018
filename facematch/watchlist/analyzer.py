"""The analyzer of a watchlist: the one given, or one made from a model pack on first need."""

from __future__ import annotations

import threading
from pathlib import Path

from facematch.protocols import Analyzer
from facematch.settings import Settings, Use
from facematch.storage.database import Database
from facematch.storage.forks import watch
from facematch.storage.subjects import SubjectTable

__all__ = ["LazyAnalyzer"]


class LazyAnalyzer:
    """The analyzer of a watchlist, loaded on first need and bound to the embedding contract of its templates.

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
        watch(self)

    def before_fork(self) -> None:
        """Nothing is held open."""

    def after_fork_in_child(self, *, threads: bool) -> None:  # noqa: ARG002 - it is loaded or it is not
        """Replace the lock."""
        self._lock = threading.Lock()

    def get(self, database: Database, subjects: SubjectTable) -> Analyzer:
        """The analyzer; its contract is checked against the database's before it is used.

        Raises:
            ContractMismatch: It makes other vectors than the enrolled ones.
            ModelError: The pack cannot be loaded.
        """
        with self._lock:
            if self._analyzer is None:
                from facematch.faces import FaceAnalyzer  # the runtime takes a while to import

                loaded = FaceAnalyzer.from_pack(self._pack, use=self._use, settings=self._settings)
                with database.read() as connection:
                    subjects.check_contract(connection, loaded.contract)
                self._analyzer = loaded
            return self._analyzer
