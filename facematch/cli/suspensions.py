"""``facematch suspend``, ``resume`` and ``suspensions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from facematch.cli.options import Actor, AsJson, Database, KeyFile, open_watchlist
from facematch.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from facematch.storage.governance_state import Suspension

__all__ = ["resume", "suspend", "suspensions"]


def suspend(
    reason: Annotated[str, typer.Option("--reason", help="Why; required, and must not name anybody.")],
    site: Annotated[str | None, typer.Option("--site", help="Only there [default: everywhere].")] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Only in this zone of the site.")] = None,
    database: Database = None,
    key_file: KeyFile = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Suspend identification, from the next search of every process on. Every role may.

    Example: `facematch suspend --reason "too many false alerts" --site store-12`
    """
    with open_watchlist(database, actor, key_file=key_file) as watchlist:
        made = watchlist.suspend(reason=reason, site=site, zone=zone)
    if as_json:
        print_json(_plain(made))
    else:
        console().print(f"identification is suspended {made.where()}: suspension {made.suspension_id}", markup=False)


def resume(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Number of the suspension.")],
    database: Database = None,
    key_file: KeyFile = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Ask to lift a suspension, or agree to it: it takes the policy's number of people, at least two.

    Example: `facematch resume 3 --actor bo`
    """
    with open_watchlist(database, actor, key_file=key_file) as watchlist:
        lifted = watchlist.resume(number)
    if as_json:
        print_json({"suspension_id": number, "lifted": lifted})
    elif lifted:
        console().print(f"suspension {number} is lifted")
    else:
        console().print(f"asked to lift suspension {number}; it stays until another person agrees")


def suspensions(
    database: Database = None, key_file: KeyFile = None, actor: Actor = None, as_json: AsJson = False
) -> None:
    """List the suspensions that are not lifted.

    Example: `facematch suspensions`
    """
    with open_watchlist(database, actor, key_file=key_file) as watchlist:
        found = watchlist.suspensions()
    if as_json:
        print_json({"suspensions": [_plain(item) for item in found]})
        return
    rows = [
        (
            item.suspension_id,
            item.where(),
            item.reason,
            f"{item.since:%Y-%m-%d %H:%M} by {item.actor}",
            ", ".join(item.resume_asked_by) or "-",
        )
        for item in found
    ]
    print_table("Suspensions", ("number", "where", "why", "since (UTC)", "asked to lift"), rows)


def _plain(item: Suspension) -> dict[str, Any]:
    return {
        "suspension_id": item.suspension_id,
        "site": item.site,
        "zone": item.zone,
        "reason": item.reason,
        "since": item.since.isoformat(),
        "actor": item.actor,
        "resume_asked_by": list(item.resume_asked_by),
    }
