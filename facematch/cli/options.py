"""Options that several commands share, and how they become a watchlist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from facematch.cli.output import progress_bar
from facematch.errors import InvalidArgument

if TYPE_CHECKING:  # the functions below load what they need, so that a command's --help needs none of it
    from facematch.faces import FaceAnalyzer
    from facematch.governance.keys import FileKeys
    from facematch.governance.policy import Policy
    from facematch.watchlist import Watchlist

__all__ = [
    "Access",
    "Actor",
    "AsJson",
    "Database",
    "KeyFile",
    "MemoryBudget",
    "NewAccess",
    "NewPolicy",
    "PackName",
    "Purpose",
    "Site",
    "SmallestFace",
    "SubjectArgument",
    "ThresholdOption",
    "TopK",
    "UseOption",
    "ZoneOption",
    "acting",
    "database_file",
    "database_url",
    "load_analyzer",
    "open_watchlist",
    "parse_moment",
    "read_policy",
]

Database: TypeAlias = Annotated[
    str | None, typer.Option("--db", help="Database URL [env: FACEMATCH_DATABASE; default: sqlite:///facematch.db].")
]
Actor: TypeAlias = Annotated[
    str | None, typer.Option("--actor", help="Who acts, for the audit [env: FACEMATCH_ACTOR; default: login name].")
]
KeyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        help="File with the key of the watchlist; made for a new one "
        "[default: FACEMATCH_KEY, else a file beside the database].",
    ),
]
NewPolicy: TypeAlias = Annotated[
    str | None,
    typer.Option("--policy", help="Policy of a new watchlist: a profile or a document [default: access-control]."),
]
SubjectArgument: TypeAlias = Annotated[str, typer.Argument(metavar="SUBJECT", help="Id of the subject.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
PackName: TypeAlias = Annotated[str, typer.Option("--pack", help="Model pack: a bundled name or a folder.")]
UseOption: TypeAlias = Annotated[
    Literal["commercial", "research"] | None,
    typer.Option("--use", help="What the models are used for [env: FACEMATCH_USE; default: commercial]."),
]
SmallestFace: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--smallest-face",
        min=5,
        help="Height in pixels of the smallest face that is wanted: larger is quicker, smaller finds more. Default: "
        "pictures are looked at with at most 1280 pixels a side.",
    ),
]
Purpose: TypeAlias = Annotated[
    str | None, typer.Option("--purpose", help="Purpose of the search, as consent records name it; required.")
]
Site: TypeAlias = Annotated[str | None, typer.Option("--site", help="Site of the search.")]
ZoneOption: TypeAlias = Annotated[str | None, typer.Option("--zone", help="Camera zone of the site; it must be open.")]
TopK: TypeAlias = Annotated[int, typer.Option("--top-k", min=1, help="Most candidates a face.")]
MemoryBudget: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--memory-budget",
        help="Most memory for the gallery's vectors, such as 4GB [env: FACEMATCH_MEMORY_BUDGET; default: no limit].",
    ),
]
ThresholdOption: TypeAlias = Annotated[
    float | None, typer.Option("--threshold", help="Raise the tested threshold to this cosine; lowering is refused.")
]


@dataclass(frozen=True, slots=True)
class Access:
    """Options that say which watchlist is opened, with which key, and who acts."""

    database: Database = None
    key_file: KeyFile = None
    actor: Actor = None


@dataclass(frozen=True, slots=True)
class NewAccess(Access):
    """The same for commands that make a watchlist where there is none."""

    policy: NewPolicy = None


def parse_moment(text: str) -> datetime:
    """A moment in ISO 8601 with its timezone, such as ``2027-01-01T00:00:00Z``, in UTC.

    Raises:
        InvalidArgument: It is none, or has no timezone.
    """
    from facematch.governance import to_utc

    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidArgument(
            f"a moment is written as in ISO 8601, got {text!r}", hint="for example 2027-01-01T00:00:00Z"
        ) from None
    return to_utc(moment, "the moment")


def read_policy(name: str) -> Policy:
    """A policy by the name of a packaged profile, or else from a document.

    Raises:
        PolicyInvalid: There is no such document, or it is malformed.
    """
    from facematch.governance.policy import PROFILES, Policy

    return Policy.profile(name) if name in PROFILES else Policy.load(name)


def acting(actor: str | None) -> str:
    """The actor: the option, else ``FACEMATCH_ACTOR``, else the login name."""
    from facematch.settings import Settings
    from facematch.watchlist.setup.defaults import login_name

    return actor or login_name(Settings())


def database_url(database: str | None) -> str:
    """The URL that the option, or else the environment, names."""
    from facematch.settings import Settings

    return database or Settings().database


def database_file(url: str) -> Path | None:
    """The file of a database URL, there or not; ``None`` for one in memory or of another kind."""
    path = url.removeprefix("sqlite:///")
    return None if path in {url, "", ":memory:"} else Path(path)


def load_analyzer(
    pack: str,
    use: Literal["commercial", "research"] | None,
    *,
    smallest_face: float | None = None,
    **detector_options: Any,
) -> FaceAnalyzer:
    """Load a pack, with a progress bar for what has to be fetched; options go to its detector."""
    from facematch.faces import FaceAnalyzer
    from facematch.settings import Settings

    if smallest_face is not None:
        detector_options["smallest_face"] = smallest_face
    with progress_bar(f"fetching model pack {Path(pack).name}", unit="bytes") as progress:
        return FaceAnalyzer.from_pack(pack, use=use, settings=Settings(), progress=progress, **detector_options)


@contextmanager
def open_watchlist(
    access: Access, *, analyzer: FaceAnalyzer | None = None, memory_budget: str | None = None
) -> Iterator[Watchlist]:
    """Open the watchlist that the options and the environment name."""
    from facematch.settings import Settings
    from facematch.watchlist import Watchlist

    settings = Settings() if memory_budget is None else Settings(memory_budget=memory_budget)
    url = database_url(access.database)
    policy = access.policy if isinstance(access, NewAccess) else None
    with Watchlist.open(
        url,
        actor=access.actor or settings.actor,
        keys=None if access.key_file is None else _keys_in(access.key_file, url),
        policy=None if policy is None else read_policy(policy),
        analyzer=analyzer,
        settings=settings,
    ) as watchlist:
        yield watchlist


def _keys_in(key_file: Path, url: str) -> FileKeys:
    """The keys in a file; a watchlist that is not there yet gets a new file, one that is there never does."""
    from facematch.governance.keys import FileKeys

    file = database_file(url)
    new = file is not None and not file.exists()
    return FileKeys.create(key_file) if new else FileKeys(key_file)
