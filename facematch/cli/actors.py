"""``facematch actors list | grant | revoke``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.options import Actor, AsJson, Database, KeyFile, NewPolicy, open_watchlist
from facematch.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from facematch.governance.roles import Role

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


app = typer.Typer(help="Actors and their roles: who may do what.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The actor whose roles change.")]


@app.command("list")
def list_(database: Database = None, key_file: KeyFile = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """List the actors who have a role.

    Example: `facematch actors list`
    """
    with open_watchlist(database, actor, key_file=key_file) as watchlist:
        held = watchlist.actors.roles()
    rows = [(name, sorted(role.value for role in roles)) for name, roles in sorted(held.items())]
    if as_json:
        print_json({"actors": [{"actor": name, "roles": roles} for name, roles in rows]})
        return
    print_table("Actors", ("actor", "roles"), [(name, ", ".join(roles)) for name, roles in rows])


@app.command("grant")
def grant(
    name: Name,
    roles: Annotated[list[RoleName], typer.Argument(help="Roles to give.")],
    database: Database = None,
    key_file: KeyFile = None,
    policy: NewPolicy = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Give an actor roles; only an admin may. Whoever made the watchlist is its owner.

    Example: `facematch actors grant ana enroller --actor boss`
    """
    with open_watchlist(database, actor, key_file=key_file, policy=policy) as watchlist:
        held = watchlist.actors.grant(name, *roles)
    _show(name, held, as_json=as_json)


@app.command("revoke")
def revoke(
    name: Name,
    roles: Annotated[list[RoleName] | None, typer.Argument(help="Roles to take; none: all.")] = None,
    database: Database = None,
    key_file: KeyFile = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Take roles from an actor; somebody who can grant roles is always left.

    Example: `facematch actors revoke ana enroller --actor boss`
    """
    with open_watchlist(database, actor, key_file=key_file) as watchlist:
        held = watchlist.actors.revoke(name, *(roles or []))
    _show(name, held, as_json=as_json)


def _show(name: str, held: frozenset[Role], *, as_json: bool) -> None:
    roles = sorted(role.value for role in held)
    if as_json:
        print_json({"actor": name, "roles": roles})
    else:
        console().print(f"{name} has {', '.join(roles) or 'no role'}", markup=False)
