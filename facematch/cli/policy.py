"""``facematch policy show | check | set | history | profiles``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, open_watchlist, parse_moment, read_policy
from facematch.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from facematch.governance.policy import Policy

__all__ = ["app"]

app = Commands(help="Policies: what a watchlist may be used for, and since when.", no_args_is_help=True)

Document = Annotated[str, typer.Argument(metavar="POLICY", help="A document (TOML, YAML, JSON), or a profile's name.")]


@app.command("show")
def show(
    at: Annotated[str | None, typer.Option("--at", help="Moment, such as 2027-01-01T00:00:00Z [default: now].")] = None,
    toml: Annotated[bool, typer.Option("--toml", help="Print the document, ready to be changed and set.")] = False,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Show the policy that rules, or ruled at a moment, rule by rule in words.

    Example: `facematch policy show --at 2027-01-01T00:00:00Z`
    """
    moment = None if at is None else parse_moment(at)
    with open_watchlist(access) as watchlist:
        found = watchlist.policies.current() if moment is None else watchlist.policies.at(moment)
    if toml:
        typer.echo(found.policy.to_toml(), nl=False)
        return
    if as_json:
        print_json(found.to_dict() | {"rules": _rules(found.policy)})
        return
    title = f"Policy {found.policy.title}, version {found.version} since {found.effective_from:%Y-%m-%d %H:%M} UTC"
    print_table(title, ("rule", "value", "what it says"), _told(found.policy))
    console().print(f"digest {found.digest}, set by {found.actor}", markup=False)


@app.command("check")
def check(
    document: Document,
    against: Annotated[
        str | None, typer.Option("--against", help="Another document or profile: show the rules that differ.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Validate a policy document; no watchlist is opened and nothing is changed.

    Example: `facematch policy check shop.toml --against retail-watchlist`
    """
    policy = read_policy(document)
    other = None if against is None else read_policy(against)
    differing = [] if other is None else _differing(policy, other)
    if as_json:
        answer: dict[str, Any] = {"title": policy.title, "digest": policy.digest, "rules": _rules(policy)}
        if other is not None:
            answer["differs"] = [
                {"rule": rule, "sentence": sentence, "against": opposite} for rule, sentence, opposite in differing
            ]
        print_json(answer)
        return
    if other is None:
        print_table(f"Policy {policy.title}", ("rule", "value", "what it says"), _told(policy))
    elif differing:
        print_table("Rules that differ", ("rule", policy.title, f"against {other.title}"), differing)
    else:
        console().print("no rule differs")
    console().print(f"the document is valid; digest {policy.digest}")


@app.command("set")
def set_(
    document: Document,
    start: Annotated[
        str | None, typer.Option("--from", help="From when on, such as 2027-01-01T00:00:00Z [default: now].")
    ] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Put a policy in force, with the next search of every process; the earlier ones stay on record.

    Example: `facematch policy set shop.toml --from 2027-01-01T00:00:00Z`
    """
    moment = None if start is None else parse_moment(start)
    policy = read_policy(document)
    with open_watchlist(access) as watchlist:
        made = watchlist.policies.set(policy, effective_from=moment)
    if as_json:
        print_json(made.to_dict())
        return
    console().print(
        f"version {made.version}, {made.policy.title}, rules from {made.effective_from:%Y-%m-%d %H:%M:%S} UTC on",
        markup=False,
    )


@app.command("history")
def history(*, access: Access, as_json: AsJson = False) -> None:
    """List all versions of the policy, oldest first.

    Example: `facematch policy history`
    """
    with open_watchlist(access) as watchlist:
        versions = watchlist.policies.list()
    if as_json:
        print_json({"policies": [version.to_dict() for version in versions]})
        return
    rows = [
        (
            version.version,
            version.policy.title,
            f"{version.effective_from:%Y-%m-%d %H:%M}",
            f"{version.set_at:%Y-%m-%d %H:%M}",
            version.actor,
            version.digest[:12],
        )
        for version in versions
    ]
    print_table("Policies (UTC)", ("version", "title", "rules from", "set at", "by", "digest"), rows)


@app.command("profiles")
def profiles(as_json: AsJson = False) -> None:
    """List the packaged profiles, to start from.

    Example: `facematch policy profiles`
    """
    from facematch.governance.policy import PROFILES, Policy

    found = [(name, Policy.profile(name)) for name in PROFILES]
    if as_json:
        print_json({"profiles": [{"name": name, "digest": p.digest, "document": p.to_dict()} for name, p in found]})
        return
    names = [text.rule for text in found[0][1].describe()]
    columns = [[text.value for text in policy.describe()] for _, policy in found]
    print_table("Packaged profiles", ("rule", *PROFILES), list(zip(names, *columns, strict=True)))


def _told(policy: Policy) -> list[tuple[str, str, str]]:
    from facematch.governance.policy import NOT_ENFORCED

    return [
        (text.rule, text.value, text.sentence if text.enforced else f"{NOT_ENFORCED}: {text.sentence}")
        for text in policy.describe()
    ]


def _rules(policy: Policy) -> list[dict[str, Any]]:
    return [text._asdict() for text in policy.describe()]


def _differing(policy: Policy, other: Policy) -> list[tuple[str, str, str]]:
    pairs = zip(_told(policy), _told(other), strict=True)
    return [(mine[0], mine[2], theirs[2]) for mine, theirs in pairs if mine != theirs]
