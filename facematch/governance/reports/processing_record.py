"""The record of processing activities, in the structure of GDPR Article 30(1), from live configuration."""

from __future__ import annotations

from facematch.governance.reports.facts import Configuration
from facematch.governance.reports.statements import Statements
from facematch.governance.reports.wording import (
    DISCLAIMER,
    amount,
    counted,
    day,
    moment,
    not_enforced,
    percent,
    policy_rows,
    provenance,
    retention_rows,
    test_facts,
)
from facematch.reporting import Cell, Facts, Note, Paragraph, Report, Section, Table

__all__ = ["controllers_of", "measures", "processing_record", "roles_table", "zones_table"]


def processing_record(configuration: Configuration, statements: Statements) -> Report:
    """The record of processing activities.

    Args:
        configuration: The live configuration.
        statements: What the controller adds.
    """
    consents = configuration.consents
    threshold = configuration.threshold
    return Report(
        kind="Record of processing activities",
        title="Face recognition against a watchlist",
        meta=f"Made {moment(configuration.made_at)}",
        lead=(
            (
                "What is processed, why, about whom, for how long and how it is protected, in the order of GDPR "
                "Article 30(1), as the watchlist is configured and filled now."
            ),
            DISCLAIMER,
        ),
        tiles=(
            (f"{configuration.subject_count:,}", "subjects stored"),
            (f"{configuration.searchable:,}", "of them searchable now"),
            (f"{len(configuration.zones):,}", "open camera zones"),
            ("none" if threshold is None else percent(threshold.target), "error rate the threshold was set for"),
        ),
        sections=(
            Section("Controller", (Facts(_controller_rows(configuration, statements)),)),
            Section(
                "Purposes and lawful bases",
                (
                    Facts(
                        (
                            ("Purposes that consents name", counted(consents.purposes)),
                            ("Lawful bases", counted(consents.lawful_bases)),
                            ("Assessments referred to", counted(consents.assessments)),
                            ("Jurisdictions", counted(consents.jurisdictions)),
                            ("Consent was collected", counted(consents.collection_methods)),
                            ("Consent can be withdrawn", counted(consents.withdrawal_methods)),
                        )
                    ),
                    Table(
                        ("Notice", "Language", "Digest (SHA-256)", "Consent records"),
                        tuple(
                            (notice.uri, notice.language, notice.sha256[:16] + "…", f"{notice.records:,}")
                            for notice in consents.notices
                        ),
                        empty="No consent record is in force, so no notice is recorded.",
                        caption="The notices that subjects were shown. The whole digests are in the consent records.",
                    ),
                ),
            ),
            Section("People and data", _people(configuration)),
            Section("Where faces are searched", zones_table(configuration)),
            Section("Recipients", (Facts(_recipient_rows(configuration, statements)),)),
            Section(
                "Transfers to third countries",
                (
                    Facts(
                        (
                            ("Transfers and their safeguards", statements.transfers),
                            ("Storage locations", counted(consents.storage_locations)),
                        )
                    ),
                ),
            ),
            Section(
                "Time limits",
                (
                    Facts(
                        (
                            *retention_rows(configuration.policy.policy),
                            ("In words, as consents say it", counted(consents.retention)),
                            ("First consent ends", None if consents.first_end is None else day(consents.first_end)),
                            ("Last consent ends", None if consents.last_end is None else day(consents.last_end)),
                        )
                    )
                    if consents.in_force
                    else Facts(retention_rows(configuration.policy.policy)),
                ),
            ),
            Section("Technical and organizational measures", measures(configuration, statements)),
            Section("Accuracy of the comparison", (test_facts(threshold, statements),)),
            Section(
                "The policy in force",
                (
                    Facts(
                        (
                            ("Policy", f"{configuration.policy.policy.title}, version {configuration.policy.version}"),
                            ("In force since", moment(configuration.policy.effective_from)),
                            ("Set by", configuration.policy.actor),
                            ("Digest (SHA-256)", configuration.policy.digest),
                        )
                    ),
                    Table(("Rule", "What it says"), policy_rows(configuration.policy.policy)),
                ),
            ),
            *not_enforced(configuration.policy.policy),
        ),
        closing=provenance(configuration),
    )


def controllers_of(configuration: Configuration, statements: Statements) -> tuple[Cell, Cell]:
    """Name and contact of the controller: as stated now, else as the consent records in force say it."""
    parties = configuration.consents.controllers
    names = tuple(dict.fromkeys(party.name for party in parties if party.name is not None))
    contacts = tuple(dict.fromkeys(party.contact for party in parties if party.contact is not None))
    return statements.controller or names or None, statements.contact or contacts or None


def _controller_rows(configuration: Configuration, statements: Statements) -> tuple[tuple[str, Cell], ...]:
    name, contact = controllers_of(configuration, statements)
    unnamed = sum(party.records for party in configuration.consents.controllers if party.name is None)
    rows: tuple[tuple[str, Cell], ...] = (
        ("Name", name),
        ("Contact", contact),
        ("Joint controllers", statements.joint_controllers),
        ("Representative", statements.representative),
        ("Data protection officer", statements.data_protection_officer),
    )
    return rows + ((("Consent records that name no controller", f"{unnamed:,}"),) if unnamed else ())


def _people(configuration: Configuration) -> tuple[Facts | Paragraph | Table, ...]:
    consents = configuration.consents
    return (
        Table(
            ("People", "Personal data", "How many"),
            (
                (
                    "Subjects: people who are enrolled",
                    (*_data(configuration), "consent record with its events"),
                    amount(configuration.subject_count, "subject"),
                ),
                (
                    "Passers-by: all people whose face is searched",
                    ("face in the picture that is searched", "numbers made of it, for the time of the search only"),
                    "not counted as people; the log counts searches",
                ),
                (
                    "Actors: people who use the watchlist",
                    ("account name", "roles", "what they did and when"),
                    amount(len(configuration.actors), "actor"),
                ),
            ),
        ),
        Facts(
            (
                ("Subjects by state", _states(configuration)),
                ("Templates by state", counted(configuration.templates, "template") or "none"),
                ("Consent records by state", counted(consents.states) or "none"),
                ("Enrollment categories", counted(consents.categories)),
                ("Sources of the pictures", counted(consents.sources)),
                ("Sites that consents name", counted(consents.sites)),
            )
        ),
        Paragraph(
            "Templates are biometric data: special categories of personal data under GDPR Article 9 where they "
            "serve to identify a person. Pictures are not kept at enrollment, only a keyed mark of each."
        ),
    )


def _data(configuration: Configuration) -> tuple[str, ...]:
    found = tuple(tally.name for tally in configuration.consents.personal_data if tally.name is not None)
    return found or ("biometric template",)


def _states(configuration: Configuration) -> Cell:
    return counted(configuration.subjects, "subject") or "none"


def _recipient_rows(configuration: Configuration, statements: Statements) -> tuple[tuple[str, Cell], ...]:
    consents = configuration.consents
    said: Cell = counted(consents.recipients) or "nobody: no consent record in force names a recipient"
    return (
        ("Recipients that consents name", said),
        ("What the policy allows", configuration.policy.policy.recipients.sentence()),
        ("Processors", statements.processors),
    )


def zones_table(configuration: Configuration) -> tuple[Table | Note | Paragraph, ...]:
    """The open zones with their grounds, and the suspensions."""
    table = Table(
        ("Site and zone", "Capture basis", "Notice", "Assessment", "Open since"),
        tuple(
            (
                (found.zone.site, found.zone.zone),
                found.zone.capture_basis.replace("-", " "),
                found.zone.notice_id,
                found.zone.assessment_ref,
                (day(found.opened_at), f"by {found.opened_by}"),
            )
            for found in configuration.zones
        ),
        empty="No camera zone is open.",
        caption="A consent to enrollment says nothing of people who pass: each zone is opened on grounds of its own.",
    )
    suspended = tuple(
        Note(f"Identification is suspended {item.where} since {moment(item.since)} by {item.actor}: {item.reason}")
        for item in configuration.suspensions
    )
    rule = Paragraph(configuration.policy.policy.zones.sentence())
    return (table, rule, *suspended)


def roles_table(configuration: Configuration) -> Table:
    """Roles and the actors who hold them."""
    return Table(
        ("Role", "Actors", "How many"),
        tuple((role, held, f"{len(held):,}") for role, held in configuration.roles),
        empty="No actor has a role.",
        caption="An actor without a role may do nothing. The host application says who acts; facematch does not "
        "authenticate.",
    )


def measures(configuration: Configuration, statements: Statements) -> tuple[Facts | Table, ...]:
    """Technical measures of this software, and the stated organizational ones."""
    keys, models, audit = configuration.keys, configuration.models, configuration.audit
    contract: Cell = None if models.contract is None else f"{models.embedder}, contract {models.contract}"
    parts = tuple((name.capitalize(), which) for name, which in models.parts)
    if models.problem is not None:
        parts = (("Model pack", f"could not be loaded here: {models.problem}"),)
    latest = "" if audit.latest_checkpoint is None else f", the latest of {moment(audit.latest_checkpoint)}"
    return (
        Facts(
            (
                (
                    "Encryption at rest",
                    (
                        f"AES-256-GCM, one data key a subject ({amount(keys.data_keys, 'key')}), in a vault locked "
                        f"under the key {keys.provider_key}"
                    ),
                ),
                (
                    "Template protection",
                    (
                        f"stored under a keyed rotation, version {keys.rotation}: renewable, so that stolen "
                        "templates can be made useless; it does not make templates irreversible"
                    ),
                ),
                ("Erasure", "removes rows, memory and the subject's data key, and gives a signed certificate"),
                (
                    "Audit log",
                    (
                        f"{amount(audit.size, 'entry', 'entries')} in a signed Merkle tree, root {audit.root}; "
                        f"{amount(audit.checkpoints, 'signed checkpoint')}{latest}; content of "
                        f"{amount(audit.pruned, 'entry', 'entries')} pruned"
                    ),
                ),
                ("Signing key", f"{keys.signing_key} (Ed25519 public key {keys.public_key})"),
                ("Model and contract", contract),
                *parts,
                ("Organizational measures", statements.organizational_measures),
            )
        ),
        roles_table(configuration),
    )
