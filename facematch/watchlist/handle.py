"""Handle on an open watchlist: opened once, shared by actors, closed by the one who opened it."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from facematch.governance.names import check_name
from facematch.governance.policy import Policy
from facematch.protocols import Analyzer, Clock, KeyProvider, VectorIndex
from facematch.settings import Settings, Use
from facematch.watchlist.session import Session
from facematch.watchlist.setup.open import open_session

__all__ = ["Handle"]


class Handle:
    """An actor's handle on the resources of an open watchlist; a context manager.

    Args:
        session: The actor's session.
        owner: Whether closing it closes the resources for all actors.
    """

    def __init__(self, session: Session, *, owner: bool = True) -> None:
        self._session = session
        self._owner = owner

    @classmethod
    def open(
        cls,
        url: str = "sqlite:///facematch.db",
        *,
        actor: str | None = None,
        pack: str | Path = "opencv",
        use: Use | None = None,
        analyzer: Analyzer | None = None,
        clock: Clock | None = None,
        threshold: float | None = None,
        index: str | Callable[[int], VectorIndex] = "auto",
        keys: KeyProvider | None = None,
        policy: Policy | str | PathLike[str] | None = None,
        settings: Settings | None = None,
    ) -> Self:
        """Open a watchlist; a file that does not exist is created, its folder is not.

        A new watchlist gets keys, a policy, and ``actor`` as its owner, who may do everything until roles are granted.

        Args:
            url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, or ``sqlite://`` for one in memory.
            actor: Who is using it, for roles and the audit log; default the settings' actor, else the login name.
            pack: Model pack, loaded on first need: listing, withdrawing and erasing work without it.
            use: What the models are used for; default from the settings.
            analyzer: An analyzer to use instead of a pack.
            clock: Gives the present moment; default the system's clock.
            threshold: Raises the tested threshold for every search, a raw cosine.
            index: Name of a registered index (``auto``, ``exact``), or a callable that makes an empty one of a given
                dimension.
            keys: Where the key that locks it comes from; default ``FACEMATCH_KEY``, else a file beside the database.
            policy: The policy of a new watchlist: a policy, the name of a packaged profile, or the path of a document;
                default the profile ``access-control``. For a watchlist that is there already, it must be the policy in
                force.
            settings: Machine settings; default from the environment.

        Raises:
            WatchlistError: Keys, vault or database are missing, damaged, locked or of another version; the subclass and
                its hint say which. Nothing is served.
            PolicyInvalid: The policy is malformed, or another one than the watchlist's.
            ContractMismatch: ``analyzer`` makes other vectors than the enrolled ones.
            InvalidArgument: Another argument is malformed.
        """
        session = open_session(
            url,
            actor=actor,
            analyzer=analyzer,
            pack=pack,
            use=use,
            clock=clock,
            threshold=threshold,
            index=index,
            keys=keys,
            policy=policy,
            settings=settings,
        )
        return cls(session)

    def acting_as(self, actor: str) -> Self:
        """The same open watchlist for another actor, at no cost: database, keys, gallery and models are shared.

        Closing it ends that actor's use only; closing the watchlist that was opened closes it for all.

        Raises:
            InvalidArgument: The name is malformed.
            WatchlistClosed: After :meth:`close`.
        """
        return type(self)(Session(self._session.resources, check_name(actor, "actor")), owner=False)

    @property
    def actor(self) -> str:
        """Who is using the watchlist."""
        return self._session.actor

    @property
    def clock(self) -> Clock:
        """Gives the present moment."""
        return self._session.resources.clock

    @property
    def analyzer(self) -> Analyzer:
        """The pipeline from pictures to embeddings; loaded on first use.

        Raises:
            ModelError: The pack cannot be loaded, or makes other vectors than the enrolled ones.
        """
        return self._session.resources.analyzer

    def close(self) -> None:
        """Close the watchlist for all actors, or end this actor's use of it; may be called again."""
        resources = self._session._resources if self._owner else None  # noqa: SLF001 - also of a closed session
        self._session.close()
        if resources is not None:
            resources.close()

    def __enter__(self) -> Self:
        _ = self._session.resources
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
