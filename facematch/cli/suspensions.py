"""``facematch suspend``, ``resume`` and ``suspensions``."""

from __future__ import annotations

from typing import Annotated

import typer

from facematch.cli.options import Access, AsJson, open_watchlist
from facematch.cli.output import console, print_json, print_table

__all__ = ["resume", "suspend", "suspensions"]


def suspend(
    reason: Annotated[str, typer.Option("--reason", help="Why; required, and must not name a person.")],
    site: Annotated[str | None, typer.Option("--site", help="Only there [default: everywhere].")] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Only in this zone of the site.")] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Suspend identification, from the next search of every process on. Every role may.

    Example: `facematch suspend --reason "too many false alerts" --site store-12`
    """
    with open_watchlist(access) as watchlist:
        made = watchlist.suspensions.add(reason=reason, site=site, zone=zone)
    if as_json:
        print_json(made.to_dict())
    else:
        console().print(f"identification is suspended {made.where()}: suspension {made.suspension_id}", markup=False)


def resume(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Number of the suspension.")],
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Ask to lift a suspension, or agree to it: it takes the policy's number of people, at least two.

    Example: `facematch resume 3 --actor bo`
    """
    with open_watchlist(access) as watchlist:
        answer = watchlist.suspensions.lift(number)
    if as_json:
        print_json(answer.to_dict())
    elif answer.lifted:
        console().print(f"suspension {number} is lifted")
    else:
        console().print(f"asked to lift suspension {number}; it stays until another person agrees")


def suspensions(*, access: Access, as_json: AsJson = False) -> None:
    """List the suspensions that are not lifted.

    Example: `facematch suspensions`
    """
    with open_watchlist(access) as watchlist:
        found = watchlist.suspensions.list()
    if as_json:
        print_json({"suspensions": [item.to_dict() for item in found]})
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
