"""Make docs/reference/policy-rules.md from the rules: ``make policy-docs``. A test fails where it has drifted."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any, Final

from facematch.governance.policy import PROFILES, Policy
from facematch.governance.policy.rules.base import Rule

PAGE: Final = Path(__file__).parent / "reference" / "policy-rules.md"
_INTRODUCTION: Final = """# Policy rules

<!-- Made by docs/make_policy_page.py: change the rules, then run `make policy-docs`. -->

A policy document is TOML: `schema_version = 1`, a `title`, and a table a rule. A key that is left out has its strictest
value, which refuses; a table or key that is not listed here is an error (`policy_invalid`). `facematch policy show`
says the policy in force in sentences, `facematch policy set FILE` puts another in force.
[](../explanation/governance.md) has the reasons.

Rules marked *not enforced* are validated and stored, and nothing asks them yet: no report counts them as a measure.

| rule | enforced by |
|---|---|
{overview}

"""


def page() -> str:
    """The whole page."""
    rules = {rule.name: type(rule) for rule in Policy().rules}
    profiles = {name: Policy.profile(name) for name in PROFILES}
    overview = "\n".join(f"| [`{name}`](#{name}) | {_enforced(rule())} |" for name, rule in rules.items())
    sections = (_section(name, rule, profiles) for name, rule in rules.items())
    return _INTRODUCTION.format(overview=overview) + "\n".join(sections)


def _enforced(rule: Rule) -> str:
    return ", ".join(f"`{module}`" for module in rule.enforced_by) or "*not enforced by this version*"


def _section(name: str, rule: type[Rule], profiles: dict[str, Policy]) -> str:
    text = inspect.getdoc(rule) or ""
    first, _, attributes = text.partition("\n\nAttributes:\n")
    meanings = {
        key: " ".join(meaning.split())
        for key, meaning in re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", attributes, re.MULTILINE | re.DOTALL)
    }
    refuses = " ".join((inspect.getdoc(rule.check) or "").split()).split(" Args:")[0]
    lines = [f"## `{name}`", "", _plain(first), "", _plain(refuses), ""]
    schema = rule.model_json_schema()["properties"] if rule.model_fields else {}
    if schema:
        lines += [f"| key | value | left out | {' | '.join(profiles)} |", "|---" * (3 + len(profiles)) + "|"]
        for key, described in schema.items():
            given = " | ".join(_value(getattr(getattr(policy, name), key)) for policy in profiles.values())
            lines.append(f"| `{key}` | {_kind(described)} | {_value(described['default'])} | {given} |")
        lines += ["", *(f"* `{key}`: {_plain(meanings[key])}" for key in schema), ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """A docstring's sentences without the markup of Python's documentation."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`")


def _kind(described: dict[str, Any]) -> str:
    options = [part for part in described.get("anyOf", [described]) if part.get("type") != "null"]
    (option,) = options
    if "enum" in option:
        return " or ".join(f"`{json.dumps(value)}`" for value in option["enum"])
    kind = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "array": "list"}[
        option["type"]
    ]
    bounds = [str(option[bound]) for bound in ("minimum", "maximum") if bound in option]
    return f"{kind}, {' to '.join(bounds)}" if bounds else kind


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        value = list(value)
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
