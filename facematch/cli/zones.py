"""``facematch zones list | open | close``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, NewAccess, open_watchlist
from facematch.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from facematch.governance import Zone

__all__ = ["app"]

app = Commands(help="Camera zones: where passers-by may be taken in, and on which grounds.", no_args_is_help=True)

SiteArgument = Annotated[str, typer.Argument(metavar="SITE", help="The site.")]
ZoneArgument = Annotated[str, typer.Argument(metavar="ZONE", help="The area of it that a camera sees.")]


@app.command("list")
def list_(*, access: Access, as_json: AsJson = False) -> None:
    """List the zones that are open.

    Example: `facematch zones list`
    """
    with open_watchlist(access) as watchlist:
        found = watchlist.zones.list()
    if as_json:
        print_json(
            {
                "zones": [
                    _plain(item.zone) | {"opened_at": item.opened_at.isoformat(), "opened_by": item.opened_by}
                    for item in found
                ]
            }
        )
        return
    rows = [
        (
            item.zone.site,
            item.zone.zone,
            item.zone.capture_basis,
            item.zone.notice_id,
            item.zone.assessment_ref,
            f"{item.opened_at:%Y-%m-%d %H:%M} by {item.opened_by}",
        )
        for item in found
    ]
    print_table("Open zones", ("site", "zone", "capture basis", "notice", "assessment", "opened (UTC)"), rows)


@app.command("open")
def open_(
    site: SiteArgument,
    zone: ZoneArgument,
    basis: Annotated[str, typer.Option("--basis", help="Capture basis, such as legitimate-interest.")],
    notice: Annotated[str, typer.Option("--notice", help="Id of the notice that stands at the entrance.")],
    assessment: Annotated[str, typer.Option("--assessment", help="Reference of the assessment.")],
    *,
    access: NewAccess,
    as_json: AsJson = False,
) -> None:
    """Open a zone; consent to enrollment does not cover passers-by, so it needs grounds of its own.

    Example: `facematch zones open store-12 entrance --basis legitimate-interest --notice sign-3 --assessment dpia-7`
    """
    from facematch.governance import Zone

    wanted = Zone(site=site, zone=zone, capture_basis=basis, notice_id=notice, assessment_ref=assessment)
    with open_watchlist(access) as watchlist:
        made = watchlist.zones.open(wanted)
    if as_json:
        print_json(_plain(made.zone) | {"opened_at": made.opened_at.isoformat(), "opened_by": made.opened_by})
    else:
        console().print(f"zone {zone} of site {site} is open", markup=False)


@app.command("close")
def close(
    site: SiteArgument,
    zone: ZoneArgument,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Close a zone; no later search may name it.

    Example: `facematch zones close store-12 entrance`
    """
    with open_watchlist(access) as watchlist:
        watchlist.zones.close(site, zone)
    if as_json:
        print_json({"site": site, "zone": zone, "state": "closed"})
    else:
        console().print(f"zone {zone} of site {site} is closed", markup=False)


def _plain(zone: Zone) -> dict[str, Any]:
    return dict(zone.to_dict())
