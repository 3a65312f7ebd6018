"""``facematch keys show | rotate | renew-templates``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, open_watchlist
from facematch.cli.output import print_json, print_table

if TYPE_CHECKING:
    from facematch.types import KeyStatus

__all__ = ["app"]

app = Commands(
    help="The keys of a watchlist: their state and their rotation. No key is ever shown.", no_args_is_help=True
)


@app.command("show")
def show(*, access: Access, as_json: AsJson = False) -> None:
    """Show which key locks the watchlist, and the public key that it signs with.

    Example: `facematch keys show`
    """
    with open_watchlist(access) as watchlist:
        _show(watchlist.keys.status(), as_json=as_json)


@app.command("rotate")
def rotate(*, access: Access, as_json: AsJson = False) -> None:
    """Lock all data keys anew. A key file gets a new key by itself.

    With FACEMATCH_KEY, put the new key there and the earlier one into FACEMATCH_PREVIOUS_KEYS before; afterwards the
    earlier one is not needed any more.

    Example: `facematch keys rotate`
    """
    with open_watchlist(access) as watchlist:
        _show(watchlist.keys.rotate(), as_json=as_json)


@app.command("renew-templates")
def renew_templates(*, access: Access, as_json: AsJson = False) -> None:
    """Store every template under a new rotation: scores stay, vectors stolen before become useless for comparison.

    Example: `facematch keys renew-templates`
    """
    with open_watchlist(access) as watchlist:
        _show(watchlist.keys.renew_templates(), as_json=as_json)


def _show(status: KeyStatus, *, as_json: bool) -> None:
    if as_json:
        print_json(status.to_dict())
        return
    print_table(
        "Keys",
        ("", ""),
        [
            ("locked under", status.provider_key),
            ("data keys of subjects", status.subjects),
            ("rotation of templates", status.rotation),
            ("signs with", status.signing_key),
            ("public key", status.signing_public_key),
        ],
    )
