from __future__ import annotations

import hashlib
import json
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import rfc8785
import yaml
from hypothesis import given
from hypothesis import strategies as st

from facematch.errors import PolicyInvalid
from facematch.governance import Role
from facematch.governance.policy import PROFILES, Policy
from facematch.governance.policy.documents import MAX_CHARACTERS, to_toml
from facematch.governance.policy.rules import alerts, enrollment, operations, scope, threshold
from facematch.governance.terms import CAPTURE_BASES, LAWFUL_BASES, SOURCES

kebabs = st.from_regex(r"[a-z0-9]{1,6}(-x[a-z0-9]{1,6}){0,2}", fullmatch=True)
characters = st.characters(categories=["L", "N", "P", "S"], codec="utf-8")
spoken = st.text(characters, min_size=1, max_size=12).filter(lambda s: s.isprintable())
names = spoken.map(lambda s: unicodedata.normalize("NFC", s)).filter(lambda s: s.isprintable() and s != "*")
shares = st.floats(0, 1, allow_nan=False)
optional_counts = st.none() | st.integers(2, 10)
roles = st.sampled_from([role for role in Role if role is not Role.OWNER])
pairs = st.lists(st.sets(roles, min_size=2, max_size=2).map(lambda pair: tuple(sorted(pair))), unique=True, max_size=4)


def _some(of: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(of, unique=True, max_size=4).map(tuple)


def _open(of: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.just(("*",)) | _some(of)


policies = st.builds(
    Policy,
    title=names,
    lawful_bases=st.builds(enrollment.LawfulBases, allowed=_some(st.sampled_from(LAWFUL_BASES))),
    purposes=st.builds(scope.Purposes, allowed=_open(kebabs)),
    sites=st.builds(scope.Sites, allowed=_open(names)),
    zones=st.builds(scope.Zones, required=st.booleans()),
    categories=st.builds(
        enrollment.Categories,
        allowed=_open(st.sampled_from(["staff", "barred-after-theft", "court-order"])),
        required=st.booleans(),
    ),
    incident=st.builds(enrollment.Incident, required=st.booleans()),
    validity=st.builds(enrollment.Validity, max_days=st.integers(0, 730)),
    sources=st.builds(enrollment.Sources, allowed=_some(st.sampled_from(SOURCES)), required=st.booleans()),
    quality=st.builds(
        enrollment.Quality, gate=st.sampled_from(["required", "where-measured", None]), overrides=st.booleans()
    ),
    dual_control=st.builds(enrollment.DualControl, required=st.booleans()),
    recipients=st.builds(scope.Recipients, allowed=_open(names)),
    capture_bases=st.builds(scope.CaptureBases, allowed=_some(st.sampled_from(CAPTURE_BASES))),
    target_fpir=st.builds(threshold.TargetFpir, maximum=shares, required=st.booleans()),
    gallery_limit=st.builds(
        threshold.GalleryLimit, max_subjects=st.integers(0, 10**9), outgrown=st.sampled_from(["refuse", "warn"])
    ),
    report_age=st.builds(threshold.ReportAge, max_days=st.integers(0, 10**9), required=st.booleans()),
    corroboration=st.builds(alerts.Corroboration, frames=optional_counts, two_cameras=st.booleans()),
    reviewers=st.builds(alerts.Reviewers, count=optional_counts, blind=st.booleans()),
    precision=st.builds(alerts.Precision, minimum=st.none() | shares, min_decided=st.integers(1, 10**6)),
    unconfirmed_media=st.builds(alerts.UnconfirmedMedia, max_hours=st.integers(0, 999), by_midnight=st.booleans()),
    people_to_resume=st.builds(operations.PeopleToResume, count=optional_counts),
    retention=st.builds(
        operations.Retention,
        erase_after_end_days=st.integers(0, 3660),
        audit_days=st.none() | st.integers(183, 999),
    ),
    separate_roles=st.builds(operations.SeparateRoles, pairs=st.none() | pairs.map(tuple)),
)


@given(policies)
def test_a_policy_survives_every_format_with_the_same_digest(policy: Policy) -> None:
    documents = {
        "toml": policy.to_toml(),
        "yaml": yaml.safe_dump(policy.to_dict(), allow_unicode=True),
        "json": json.dumps(policy.to_dict()),
    }
    again = {kind: Policy.from_text(text, kind) for kind, text in documents.items()}
    assert again == dict.fromkeys(documents, policy)
    assert {copy.digest for copy in again.values()} == {policy.digest}


@given(policies, policies)
def test_two_policies_have_one_digest_only_where_they_are_the_same(one: Policy, other: Policy) -> None:
    assert (one.digest == other.digest) is (one == other)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(sorted(Policy.model_fields)) | st.text(), json_values)
def test_any_value_of_any_field_is_a_policy_or_our_error(field: str, value: object) -> None:
    try:
        policy = Policy.from_dict({field: value})
    except PolicyInvalid:
        return
    assert Policy.from_dict(policy.to_dict()) == policy


def test_the_digest_is_that_of_the_canonical_json() -> None:
    policy = Policy.profile("access-control")
    assert policy.canonical() == rfc8785.dumps(policy.to_dict())
    assert policy.digest == hashlib.sha256(policy.canonical()).hexdigest()


def test_a_value_that_is_the_default_makes_no_other_policy() -> None:
    assert Policy.from_text("[validity]\nmax_days = 0\n", "toml").digest == Policy().digest
    assert Policy.from_text("[validity]\nmax_days = 1\n", "toml").digest != Policy().digest


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.toml", '[purposes]\nallowed = ["site-access"]\n'),
        ("p.yaml", "purposes:\n  allowed: [site-access]\n"),
        ("p.YML", "purposes: {allowed: [site-access]}\n"),
        ("p.json", '{"purposes": {"allowed": ["site-access"]}}'),
    ],
)
def test_a_file_is_read_by_its_suffix(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert Policy.load(tmp_path / name).purposes.allowed == ("site-access",)


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("p.txt", b"", "ends in .toml, .yaml, .yml, .json"),
        ("missing.toml", None, "cannot be read: FileNotFoundError"),
        ("p.toml", b"\xff\xfe", "cannot be read: UnicodeDecodeError"),
        ("folder.toml", b"folder", "cannot be read: IsADirectoryError"),
        ("p.toml", b"a = ", "not valid TOML"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(tmp_path: Path, name: str, content: bytes | None, named: str) -> None:
    if content == b"folder":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PolicyInvalid) as caught:
        Policy.load(tmp_path / name)
    assert named in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("kind", "text", "named"),
    [
        ("ini", "", "no policy format 'ini'"),
        ("toml", "[zones\n", "not valid TOML"),
        ("toml", "[zones]\n[zones]\n", "not valid TOML"),
        ("toml", "[zones]\nrequired = true\nrequired = false\n", "not valid TOML"),
        ("toml", "zones = 1979-05-27\n", "zones"),
        ("yaml", "zones: [", "not valid YAML"),
        ("yaml", "zones: {required: true, required: false}", "the key 'required' is given twice"),
        ("yaml", "a: &x {required: true}\nzones: *x\n", "aliases are not supported"),
        ("yaml", "zones: {<<: {required: false}, required: true}", "zones"),
        ("yaml", "zones: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("yaml", "{[a]: 1}", "not valid YAML"),
        ("yaml", "- zones\n", "a table of rules"),
        ("yaml", "a: 1\n---\nb: 2\n", "not valid YAML"),
        ("yaml", "zones: {required: 2026-01-01}", "zones.required"),
        ("yaml", "zones: {required: 'no'}", "zones.required"),
        ("yaml", "1: 2", "1"),
        ("json", "{", "not valid JSON"),
        ("json", '{"zones": {"required": true, "required": false}}', "the key 'required' is given twice"),
        ("json", "[]", "a table of rules"),
        ("json", '{"target_fpir": {"maximum": NaN}}', "target_fpir.maximum"),
        ("json", '{"adults": {"required": false}}', "adults.required"),
        ("json", '{"schema_version": 2}', "schema_version"),
        ("json", '{"schema_version": true}', "schema_version"),
        ("json", '{"whims": {}}', "whims"),
        ("json", '{"zones": null}', "zones"),
        ("json", '{"title": ""}', "title"),
        ("toml", "x" * (MAX_CHARACTERS + 1), "at most"),
    ],
)
def test_a_document_that_is_no_policy_is_refused(kind: str, text: str, named: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        Policy.from_text(text, kind)
    assert named in caught.value.message
    assert caught.value.hint


def test_a_document_may_be_as_large_as_the_limit() -> None:
    assert Policy.from_text("#" * MAX_CHARACTERS, "toml") == Policy()


@pytest.mark.parametrize(("kind", "opened"), [("json", '{"a":'), ("yaml", "[")])
def test_a_document_nested_without_end_is_refused(kind: str, opened: str) -> None:
    with pytest.raises(PolicyInvalid, match="not valid"):
        Policy.from_text(opened * 20_000, kind)


def test_an_unknown_rule_is_answered_with_the_known_ones() -> None:
    with pytest.raises(PolicyInvalid, match="policy: whims") as caught:
        Policy.from_dict({"whims": {}})
    assert "dual_control" in (caught.value.hint or "")


@pytest.mark.parametrize("name", PROFILES)
def test_toml_has_a_table_for_every_rule_that_has_values(name: str) -> None:
    tables = tomllib.loads(Policy.profile(name).to_toml())
    without = {"adults", "vulnerable"}
    assert set(tables) == {"schema_version", "title", *(rule.name for rule in Policy().rules)} - without


@given(st.dictionaries(kebabs, st.text(st.characters(codec="utf-8"))))
def test_any_text_survives_toml(table: dict[str, str]) -> None:
    data: dict[str, Any] = {"table": table}
    assert tomllib.loads(to_toml(data)) == data


def test_toml_refuses_what_a_policy_has_not() -> None:
    with pytest.raises(TypeError, match="bytes"):
        to_toml({"a": b"x"})
