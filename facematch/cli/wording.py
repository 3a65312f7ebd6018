"""The hints of the library in the words of the command line: ``--key-file`` where Python says ``key=``.

The library tells a caller what to pass in Python; on the command line the same hint names the option or the command.
One table translates; a test walks every hint of the package and fails on Python that is neither translated here nor
known never to reach the command line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["document_for_commands", "hint_for_commands"]

_COMMANDS: Final = {
    "Watchlist.actors.list()": "facematch actors list",
    "Watchlist.actors.grant()": "facematch actors grant",
    "Watchlist.approvals.list()": "facematch approvals list",
    "Watchlist.consents.list()": "facematch consent show",
    "Watchlist.policies.list()": "facematch policy history",
    "Watchlist.policies.set()": "facematch policy set",
    "Watchlist.suspensions.lift()": "facematch resume",
    "Watchlist.rights.decide_complaint()": "facematch rights decide",
    "Watchlist.set_calibration()": "facematch calibration set",
    "Watchlist.subjects.list()": "facematch subjects",
    "Watchlist.suspensions.list()": "facematch suspensions",
    "Watchlist.zones.list()": "facematch zones list",
    "Watchlist.zones.open()": "facematch zones open",
    "Policy.profile('access-control').to_toml()": "facematch policy profiles",
    "verify() on the audit log": "facematch audit verify",
    "run verify()": "run facematch audit verify",
    "entries() lists": "facematch audit show lists",
    "backup() wrote": "facematch backup wrote",
    "open_complaint() gave": "facematch rights complain gave",
    "erase() removes": "facematch erase removes",
    "renew() prolongs": "facematch consent renew prolongs",
    "withdraw() ends": "facematch withdraw ends",
    "revoke() for": "facematch consent revoke for",
    "make records with Consent.given() and change them with transition()": "file the record as it was made, unchanged",
    "change records with transition() only": "file the record as it was made, unchanged",
    "Consent.given(), which says what each field means": "facematch consent record",
    "pass consent=Consent.given(...)": "give --purpose, --notice, --language and --evidence",
    "Consent.given()": "facematch consent record",
}
"""Calls, by the command that does the same."""

_OPTIONS: Final = {
    "pass adult_attested=True": "give --adult",
    "with adult_attested=True": "with --adult",
    "record evidence and impact_assessment in the consent record": "give --evidence and --assessment",
    'pass the language of the notice, for example language="en"': "name the language of the notice: --language en",
    'for example purposes=["site-access"]': "for example --purpose site-access",
    "pass evidence= the path": "give --evidence, the path",
    "pass notice= the path": "give --notice, the path",
    "pass impact_assessment= its reference": "give its reference with --assessment",
    "pass incident_id= the number": "give --incident, the number",
    "pass category= one": "give --category, one",
    "pass source= one": "give --source, one",
    "pass purpose='…'": "give --purpose",
    'purpose="site-access"': "--purpose site-access",
    "site=...": "--site",
    "valid_for=timedelta(...)": "--valid-for 365d",
    "pass threshold= with a value": "give --threshold with a value",
    "threshold= out": "--threshold out",
    "with key=": "with --key-file",
    "effective_from": "--from",
    "valid_for": "--valid-for",
    "smallest_face": "--smallest-face",
    "max_side": "--max-side",
    "site, zone, capture_basis, notice_id and assessment_ref": "SITE, ZONE, --basis, --notice and --assessment",
    "open the watchlist without a policy": "leave --policy out",
    "a timezone-aware datetime, for example datetime.now(timezone.utc)": "the timezone too: 2027-01-01T00:00:00Z",
    'pass unicodedata.normalize("NFC", name)': "write it in the Unicode form NFC",
    "Box(0.25, 0.1, 0.75, 1)": "0.25,0.1,0.75,1",
    ", or raise DecodeLimits.max_pixels": "",
    ", or raise DecodeLimits.max_bytes": "",
    "onnx.save(onnx.load(path), path)": "load it with the Python package onnx and save it again",
}
"""Keywords and values, by the option that takes the same."""

_TABLE: Final = tuple(sorted((_COMMANDS | _OPTIONS).items(), key=lambda pair: len(pair[0]), reverse=True))

_PATTERNS: Final = (
    (re.compile(r'pass use="(\w+)"'), r"give --use \1"),
    (re.compile(r"pass (\w+) as a non-empty str"), r"give a \1 that says something"),
    (re.compile(r"pass (\w+)= the path"), r"give --\1, the path"),
    (re.compile(r"correct the argument \w+, or the variable"), "correct the variable"),
)


def hint_for_commands(hint: str) -> str:
    """A hint of the library, as the command line says it.

    Args:
        hint: The hint of an error.

    Returns:
        The hint with commands and options in the place of Python's calls and keywords.
    """
    for python, command in _TABLE:
        hint = hint.replace(python, command)
    for pattern, command in _PATTERNS:
        hint = pattern.sub(command, hint)
    return hint


def document_for_commands(document: Any) -> Any:
    """A JSON document with every ``hint`` in it, however deep, as the command line says it."""
    if isinstance(document, Mapping):
        return {
            name: hint_for_commands(value)
            if name == "hint" and isinstance(value, str)
            else document_for_commands(value)
            for name, value in document.items()
        }
    if isinstance(document, list | tuple):
        return [document_for_commands(value) for value in document]
    return document
