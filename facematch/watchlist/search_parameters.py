"""Parameters of a search, checked: purpose, place, and how many candidates are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from facematch.errors import InvalidArgument, PurposeRequired
from facematch.governance import check_purpose, check_site
from facematch.governance.names import check_name

__all__ = ["SearchParameters", "check_place"]

_MAX_TOP_K = 1000


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """Parameters of a search: its purpose, place and number of candidates.

    Attributes:
        purpose: The purpose, in lower-case kebab form.
        site: The site, or ``None``.
        zone: The camera zone of the site, or ``None``.
        top_k: Candidates wanted a probe, 1 to 1000.

    Raises:
        PurposeRequired: No purpose was given.
        InvalidArgument: A value is malformed.
    """

    purpose: str
    site: str | None = None
    zone: str | None = None
    top_k: int = 5

    def __post_init__(self) -> None:
        purpose, top_k = cast("object", self.purpose), cast("object", self.top_k)
        if purpose is None or (isinstance(purpose, str) and not purpose.strip()):
            raise PurposeRequired(
                "a search needs a purpose", hint='name the purpose that consent was given for: purpose="site-access"'
            )
        check_purpose(purpose)
        check_place(self.site, self.zone)
        if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= _MAX_TOP_K:
            raise InvalidArgument(
                f"top_k must be a whole number from 1 to {_MAX_TOP_K}, got {top_k!r}", hint="leave it out for 5"
            )

    def details(self) -> dict[str, Any]:
        """The parameters for the audit log."""
        place = {} if self.zone is None else {"zone": self.zone}
        return {"purpose": self.purpose, "site": self.site, **place}


def check_place(site: str | None, zone: str | None) -> None:
    """Refuse a malformed place.

    Raises:
        InvalidArgument: A name is malformed, or a zone is named without its site.
    """
    if site is not None:
        check_site(site)
    if zone is not None:
        check_name(zone, "a zone")
        if site is None:
            raise InvalidArgument("a zone belongs to a site", hint="name the site as well: site=...")
