"""Configurations of a watchlist, and ways to read a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from facematch.governance import Policy, PolicyVersion, Zone
from facematch.governance.reports import (
    AccessFile,
    AuditFacts,
    ComplaintFacts,
    Configuration,
    ConsentFacts,
    KeyFacts,
    ModelFacts,
    NoticeFacts,
    Party,
    Statements,
    Tally,
    TestedThreshold,
    ZoneFacts,
    access_page,
    impact_input,
    processing_record,
    transparency_notice,
)
from facematch.reporting import Facts, Report, Table

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Policy.profile("retail-watchlist")
OWN = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
RECORD = "33333333-3333-4333-8333-333333333333"
CALIBRATED = TestedThreshold(
    threshold=0.41234,
    rule="mean_top_3",
    error_kind="FPIR",
    target=0.01,
    data="600 people of a public set",
    measured_at="2026-01-05",
    trials=600,
    errors=1,
    upper=0.0079,
    confidence=0.95,
    gallery_size=100,
    templates=3,
    digest="ef" * 32,
)
NOTHING = ConsentFacts(
    in_force=0,
    states=(),
    overdue=0,
    controllers=(),
    notices=(),
    purposes=(),
    lawful_bases=(),
    categories=(),
    personal_data=(),
    sources=(),
    sites=(),
    recipients=(),
    jurisdictions=(),
    storage_locations=(),
    retention=(),
    collection_methods=(),
    withdrawal_methods=(),
    assessments=(),
    first_end=None,
    last_end=None,
)
CONSENTS = ConsentFacts(
    in_force=12,
    states=(Tally("GIVEN", 12), Tally("WITHDRAWN", 3)),
    overdue=0,
    controllers=(Party("Corner Shop Ltd", "privacy@shop.example", 12),),
    notices=(NoticeFacts("notice-en.pdf", "ab" * 32, "en", 12),),
    purposes=(Tally("loss-prevention", 12), Tally("staff-safety", 4)),
    lawful_bases=(Tally("legitimate-interest", 12),),
    categories=(Tally("barred-after-theft", 12),),
    personal_data=(Tally("biometric template", 12),),
    sources=(Tally("incident-footage", 12),),
    sites=(Tally("store-12", 12),),
    recipients=(Tally("Police of Cork", 1),),
    jurisdictions=(Tally("IE", 12),),
    storage_locations=(Tally("Dublin", 12),),
    retention=(Tally("one year", 12),),
    collection_methods=(Tally("in writing", 12),),
    withdrawal_methods=(Tally("call 1800-0", 12),),
    assessments=(Tally("DPIA-7", 12),),
    first_end=NOW + timedelta(days=30),
    last_end=NOW + timedelta(days=300),
)
Builder = Callable[[Configuration, Statements], Report]
BUILDERS: tuple[Builder, ...] = (processing_record, impact_input, transparency_notice)


def configured(**changes: Any) -> Configuration:
    policy = changes.pop("rules", POLICY)
    start = NOW - timedelta(days=9)
    made = Configuration(
        made_at=NOW,
        made_by="dora",
        version="0.1.0",
        watchlist_id="6f7f1c1e-6a1f-4c0a-9d38-1f43d6a2b000",
        generation=42,
        subjects=(Tally("searchable", 11), Tally("restricted by a complaint", 1)),
        searchable=11,
        templates=(Tally("approved", 30),),
        consents=CONSENTS,
        zones=(
            ZoneFacts(
                Zone(
                    site="store-12",
                    zone="entrance",
                    capture_basis="legitimate-interest",
                    notice_id="sign-3",
                    assessment_ref="DPIA-7",
                ),
                start,
                "ada",
            ),
        ),
        policy=PolicyVersion(
            version=2, policy=policy, effective_from=start, set_at=start, actor="ada", digest=policy.digest
        ),
        roles=(("admin", ("ada",)), ("operator", ("bo", "cy")), ("privacy-officer", ("dora",))),
        suspensions=(),
        keys=KeyFacts("file-1", 12, 4, "key-1", "ab" * 32),
        models=ModelFacts("w600k.onnx", "cd" * 32, 512, (("license", "MIT"),)),
        threshold=CALIBRATED,
        audit=AuditFacts(1234, "12" * 32, 0, 2, NOW, (Tally("identify, done", 900), Tally("verify, done", 30))),
        complaints=ComplaintFacts(0, 2, 3),
    )
    return dataclasses.replace(made, **changes)


def rows_of(report: Report, title: str) -> dict[str, Any]:
    """The facts of a section."""
    section = next(item for item in report.sections if item.title == title)
    return {name: value for block in section.blocks if isinstance(block, Facts) for name, value in block.rows}


def table_of(report: Report, title: str) -> tuple[tuple[Any, ...], ...]:
    """The rows of the first table of a section."""
    section = next(item for item in report.sections if item.title == title)
    return next(block.rows for block in section.blocks if isinstance(block, Table))


def access_copy(configuration: Configuration, _: Statements) -> Report:
    """The page of a subject access export."""
    return access_page(
        AccessFile(
            subject_id="s",
            subject_ref=OWN,
            state="active",
            created_at=NOW,
            made_at=NOW,
            made_by="dora",
            watchlist_id=OTHER,
            consents=(),
            templates=(),
            complaints=(),
            log=(),
            pruned=0,
            models=configuration.models,
            threshold=configuration.threshold,
            policy=configuration.policy,
        )
    )
