"""Every module that a policy rule names as enforcing it asks the rule, and no other module does."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

import facematch
from facematch.governance.policy import Policy, Refusal, Request
from facematch.governance.policy.requests import Kept
from facematch.governance.zones import Zone
from facematch.watchlist import Watchlist
from tests.integration.test_governance_rows import Assessing
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture

DAY = timedelta(days=1)
PACKAGE = Path(facematch.__file__).parent
REQUESTS: tuple[Any, ...] = get_args(Request)
NOT_ENFORCED = {"reviewers", "precision", "unconfirmed_media"}


def modules() -> dict[str, ast.Module]:
    """Every module of the package outside the rules themselves, parsed."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith("facematch.governance."):
            found[name] = ast.parse(path.read_text("utf-8"))
    return found


def called(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def name_of(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


@pytest.mark.parametrize("request_type", REQUESTS)
def test_request_is_constructed_where_it_says_and_nowhere_else(request_type: Any) -> None:
    places = {
        module
        for module, tree in modules().items()
        if any(name_of(call) == request_type.__name__ for call in called(tree))
    }
    assert places == set(request_type.asked_by)


def test_rules_of_review_and_of_unconfirmed_media_alone_are_not_enforced() -> None:
    policy = Policy()
    assert {rule.name for rule in policy.rules if not rule.enforced_by} == NOT_ENFORCED
    assert {text.rule for text in policy.describe() if not text.enforced} == NOT_ENFORCED


def test_every_part_of_retention_is_applied() -> None:
    tree = modules()["facematch.watchlist.data_lifecycle.retention"]
    kept = {
        keyword.value.value
        for call in called(tree)
        if name_of(call) == "KeepRequest"
        for keyword in call.keywords
        if keyword.arg == "kept" and isinstance(keyword.value, ast.Constant)
    }
    assert kept == set(get_args(Kept))
    assert [call for call in called(tree) if name_of(call) == "prune_before"] != []


class Asked:
    """Which modules asked the rules, by the type of request, and which rules judged it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by: defaultdict[type, set[str]] = defaultdict(set)
        self.rules: defaultdict[type, set[str]] = defaultdict(set)
        for rule in Policy().rules:
            self._watch(monkeypatch, type(rule))

    def _watch(self, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
        original = kind.check

        def check(rule: Any, request: object) -> Refusal | None:
            frame: Any = sys._getframe(1)
            while frame.f_globals["__name__"].startswith("facematch.governance."):
                frame = frame.f_back
            self.by[type(request)].add(frame.f_globals["__name__"])
            self.rules[type(request)].add(rule.name)
            refusal: Refusal | None = original(rule, request)
            return refusal

        monkeypatch.setattr(kind, "check", check)


def as_ben(bench: Bench) -> Watchlist:
    """The same watchlist in a second actor's hands."""
    return Watchlist.open(f"sqlite:///{bench.path}", actor="ben", analyzer=bench.analyzer, clock=bench.clock)


def use(bench: Bench, tmp_path: Path) -> None:
    """Do everything that a policy has a say in."""
    w = bench.watchlist
    w.actors.grant("ben", "approver", "privacy-officer")
    document = Policy.profile("access-control").to_dict()
    w.policies.set(Policy.from_dict({**document, "dual_control": {"required": True}, "recipients": {"allowed": ["*"]}}))
    consent = bench.consent("s", valid_for=40 * DAY)
    named = type(consent).from_dict({**consent.to_dict(), "schema_version": 2, "recipients": ["police"]})
    w.consents.record(named)
    enrolled = w.enroll("s", picture(1), quality_override="the only picture")
    with as_ben(bench) as ben:
        ben.approvals.approve(enrolled.enrollment_id)
    w.enroll("t", picture(2), consent=bench.consent("t", valid_for=400 * DAY), quality_override="the only picture")
    w.zones.open(Zone(site=SITE, zone="door", capture_basis="legitimate-interest", notice_id="n", assessment_ref="a"))
    w.identify(picture(1), purpose=PURPOSE, site=SITE, zone="door")
    w.alert_refusal(frames=3, cameras=1, policy_version=w.policies.current().version)
    w.rights.disclose("s", recipient="police", reason="warrant 7")
    suspension = w.suspensions.add(reason="a test")
    w.suspensions.lift(suspension.suspension_id)
    with as_ben(bench) as ben:
        assert ben.suspensions.lift(suspension.suspension_id).lifted
    bench.clock.advance(100 * DAY)
    run = w.apply_retention()
    assert (run.expired, run.erased, len(run.rejected)) == (("s",), ("s",), 1)


def test_request_is_asked_where_it_says_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_bench(tmp_path / "w.db", analyzer=Assessing()) as bench:
        asked = Asked(monkeypatch)
        use(bench, tmp_path)
    assert {kind.__name__: asked.by[kind] for kind in REQUESTS} == {
        kind.__name__: set(kind.asked_by) for kind in REQUESTS
    }
    judged = {name for kind in REQUESTS for name in asked.rules[kind]}
    assert judged == {rule.name for rule in Policy().rules if rule.enforced_by}
