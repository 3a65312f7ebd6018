"""``facematch approvals list | approve | reject``."""

from __future__ import annotations

from typing import Annotated

import typer

from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, open_watchlist
from facematch.cli.output import console, print_json, print_table

__all__ = ["app"]

app = Commands(help="Enrollments that wait until another actor approves them.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Number of the enrollment.")]


@app.command("list")
def list_(*, access: Access, as_json: AsJson = False) -> None:
    """List the enrollments that wait, oldest first.

    Example: `facematch approvals list`
    """
    with open_watchlist(access) as watchlist:
        pending = watchlist.approvals.list()
    if as_json:
        print_json({"pending": [item.to_dict() for item in pending]})
        return
    rows = [
        (item.enrollment_id, item.subject_id, item.templates, item.actor, f"{item.created_at:%Y-%m-%d %H:%M}")
        for item in pending
    ]
    print_table("Waiting for an approval", ("number", "subject", "templates", "prepared by", "at (UTC)"), rows)


@app.command("approve")
def approve(number: Number, *, access: Access, as_json: AsJson = False) -> None:
    """Approve an enrollment that another actor prepared; from then on searches can return the subject.

    Example: `facematch approvals approve 7 --actor bo`
    """
    with open_watchlist(access) as watchlist:
        decision = watchlist.approvals.approve(number)
    if as_json:
        print_json(decision.to_dict())
    else:
        console().print(f"approved enrollment {number}, generation {decision.generation}")


@app.command("reject")
def reject(
    number: Number,
    reason: Annotated[str, typer.Option("--reason", help="Why; required.")],
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Reject an enrollment: its templates are deleted. The actor who prepared it may take it back.

    Example: `facematch approvals reject 7 --reason "wrong person" --actor bo`
    """
    with open_watchlist(access) as watchlist:
        decision = watchlist.approvals.reject(number, reason=reason)
    if as_json:
        print_json(decision.to_dict())
    else:
        console().print(f"rejected enrollment {number}; {decision.templates} templates deleted")
