"""Shared by the watchlist's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facematch.governance import AuditAction, AuditEntry, Consent
from facematch.governance.policy import Policy
from facematch.governance.roles import Role
from facematch.storage.database import Authorization
from facematch.testing import FakeAnalyzer, ManualClock, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.types import Image
from facematch.watchlist import Watchlist

AUTHORIZATION = Authorization("ana", AuditAction.REPAIR)
"""Opens write transactions of tests that go around the sessions."""
PURPOSE = "site-access"
SITE = "store-12"


def picture(person: int, variant: int = 0) -> Image:
    """A picture of one person."""
    return synthetic_picture([SyntheticFace(person, variant)])


@dataclass
class Bench:
    """A watchlist with a clock that can be moved, and short ways to say things."""

    watchlist: Watchlist
    clock: ManualClock
    path: Path
    analyzer: FakeAnalyzer = field(default_factory=FakeAnalyzer)

    def consent(self, subject_id: str, **options: Any) -> Consent:
        """A consent record from the bench's clock."""
        return synthetic_consent(subject_id, **{"now": self.clock.now, "sites": [SITE], **options})

    def enroll(self, subject_id: str, person: int, **options: Any) -> Consent:
        """Enroll one picture of a person under a new record."""
        consent = self.consent(subject_id, **options)
        self.watchlist.enroll(subject_id, picture(person), consent=consent)
        return consent

    def found(self, person: int, purpose: str = PURPOSE, site: str | None = SITE) -> list[str]:
        """Subjects that a search for a person returns."""
        result = self.watchlist.identify(picture(person, 1), purpose=purpose, site=site)
        return [candidate.subject_id for candidate in result.candidates]

    def entries(self) -> list[AuditEntry]:
        """The audit entries after the one that the watchlist begins with."""
        return self.watchlist.audit.entries(since_seq=2)

    def last(self) -> AuditEntry:
        """The latest audit entry."""
        return self.watchlist.audit.entries(limit=1)[0]


_TEMPLATES: dict[tuple[str, str, str], dict[str, tuple[int, bytes]]] = {}
"""Files of new watchlists by clock, actor and policy: the end of each one's name, its mode and its bytes."""
_TEMPLATE = "template.db"


def _lay_template(path: Path, clock: ManualClock, actor: str, policy: Policy | str | None) -> None:
    """Put a new watchlist's files in place: setting one up takes longer than most tests that use it."""
    wanted = policy.digest if isinstance(policy, Policy) else str(policy)
    chosen = (clock.now.isoformat(), actor, wanted)
    if chosen not in _TEMPLATES:
        with tempfile.TemporaryDirectory(dir=path.parent) as name:
            folder = Path(name)
            url = f"sqlite:///{folder / _TEMPLATE}"
            Watchlist.open(url, actor=actor, analyzer=FakeAnalyzer(), clock=clock, policy=policy).close()
            _TEMPLATES[chosen] = {
                file.name: (file.stat().st_mode & 0o777, file.read_bytes()) for file in folder.iterdir()
            }
    for name, (mode, data) in _TEMPLATES[chosen].items():
        file = path.with_name(name.replace(_TEMPLATE, path.name))
        file.touch(mode)
        file.write_bytes(data)


@contextmanager
def open_bench(path: Path, *, copied: bool = True, **options: Any) -> Iterator[Bench]:
    """A bench on a new or existing file.

    Args:
        path: The database.
        copied: Whether a new watchlist may be a copy of one set up earlier, with the same identity and keys.
        options: Of ``Watchlist.open``.
    """
    clock, analyzer = options.pop("clock", ManualClock()), options.pop("analyzer", FakeAnalyzer())
    actor = options.pop("actor", "ana")
    known = isinstance(clock, ManualClock) and options.keys() <= {"index", "policy", "threshold"}
    if copied and known and not path.exists():
        _lay_template(path, clock, actor, options.get("policy"))
    with Watchlist.open(f"sqlite:///{path}", actor=actor, analyzer=analyzer, clock=clock, **options) as watchlist:
        bench = Bench(watchlist, clock, path, analyzer)
        yield bench
        bench.watchlist.close()  # a test may have opened it anew


def roles_of(watchlist: Watchlist) -> dict[str, frozenset[Role]]:
    """The roles of every actor who has any."""
    return {item.actor: item.roles for item in watchlist.actors.list()}


def end_all(watchlist: Watchlist, how: str, subject_id: str) -> None:
    """End every consent of a subject: ``withdraw``, ``revoke``, ``invalidate`` or ``erase``."""
    calls: dict[str, Callable[..., object]] = {
        "withdraw": watchlist.withdraw,
        "revoke": watchlist.consents.revoke,
        "invalidate": watchlist.consents.invalidate,
        "erase": watchlist.erase,
    }
    calls[how](subject_id, reason="left")
