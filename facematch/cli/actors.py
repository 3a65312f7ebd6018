"""``facematch actors list | grant | revoke``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, NewAccess, open_watchlist
from facematch.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from facematch.governance.roles import ActorRoles

__all__ = ["RoleName", "app"]


class RoleName(StrEnum):
    """The roles by name, as :class:`~facematch.governance.roles.Role` has them, for --help before governance loads."""

    ENROLLER = "enroller"
    APPROVER = "approver"
    OPERATOR = "operator"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    PRIVACY_OFFICER = "privacy-officer"
    ADMIN = "admin"
    OWNER = "owner"


app = Commands(help="Actors and their roles: who may do what.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The actor whose roles change.")]


@app.command("list")
def list_(*, access: Access, as_json: AsJson = False) -> None:
    """List the actors who have a role.

    Example: `facematch actors list`
    """
    with open_watchlist(access) as watchlist:
        held = watchlist.actors.list()
    if as_json:
        print_json({"actors": [item.to_dict() for item in held]})
        return
    print_table("Actors", ("actor", "roles"), [(item.actor, ", ".join(sorted(item.roles))) for item in held])


@app.command("grant")
def grant(
    name: Name,
    roles: Annotated[list[RoleName], typer.Argument(help="Roles to give.")],
    *,
    access: NewAccess,
    as_json: AsJson = False,
) -> None:
    """Give an actor roles; only an admin may. The actor who made the watchlist is its owner.

    Example: `facematch actors grant ana enroller --actor boss`
    """
    with open_watchlist(access) as watchlist:
        held = watchlist.actors.grant(name, *roles)
    _show(held, as_json=as_json)


@app.command("revoke")
def revoke(
    name: Name,
    roles: Annotated[list[RoleName] | None, typer.Argument(help="Roles to take; none: all.")] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Take roles from an actor; an actor who can grant roles is always left.

    Example: `facematch actors revoke ana enroller --actor boss`
    """
    with open_watchlist(access) as watchlist:
        held = watchlist.actors.revoke(name, *(roles or []))
    _show(held, as_json=as_json)


def _show(held: ActorRoles, *, as_json: bool) -> None:
    if as_json:
        print_json(held.to_dict())
    else:
        console().print(f"{held.actor} has {', '.join(sorted(held.roles)) or 'no role'}", markup=False)
