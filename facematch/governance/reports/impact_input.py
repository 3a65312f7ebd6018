"""Input for an assessment of the impact on data protection, in the structure of GDPR Article 35(7).

The assessment is the controller's: what is here are the facts that it starts from, and what in them deserves a look.
"""

from __future__ import annotations

from collections.abc import Iterator

from facematch.governance.policy import NOT_ENFORCED
from facematch.governance.reports.facts import Configuration
from facematch.governance.reports.processing_record import (
    controllers_of,
    measures,
    zones_table,
)
from facematch.governance.reports.statements import Statements
from facematch.governance.reports.wording import (
    DISCLAIMER,
    amount,
    counted,
    decision_steps,
    moment,
    not_enforced,
    percent,
    policy_rows,
    provenance,
    retention_rows,
    test_facts,
    test_sentence,
)
from facematch.reporting import Block, Bullets, Cell, Facts, Paragraph, Report, Section, Table

__all__ = ["impact_input", "observations"]

_RISKS = (
    (
        "A person who is not on the list is taken for a subject",
        "stopped, confronted or refused entry without cause; embarrassment, exclusion",
    ),
    (
        "Error rates differ between groups of people",
        "some groups are wrongly stopped, or wrongly refused, more often than others",
    ),
    ("A person is enrolled without cause, or in bad faith", "searched for wherever the list is used"),
    ("All who pass are searched", "people change how they move and meet; no way to avoid it"),
    ("The list is used for another purpose", "tracking, checks that people were not told about"),
    ("Templates are stolen", "they cannot be changed like a password"),
    ("A candidate is acted on without being judged", "a machine decides about people"),
)


def impact_input(configuration: Configuration, statements: Statements) -> Report:
    """Input for a data protection impact assessment.

    Args:
        configuration: The live configuration.
        statements: What the controller adds.
    """
    looks = observations(configuration)
    threshold = configuration.threshold
    return Report(
        kind="Input for a data protection impact assessment",
        title="Face recognition against a watchlist",
        meta=f"Made {moment(configuration.made_at)}",
        lead=(
            (
                "The facts of this watchlist in the order of GDPR Article 35(7). Necessity, proportionality and the "
                "weight of the risks are for the controller to judge; no software can."
            ),
            DISCLAIMER,
        ),
        tiles=(
            (f"{len(looks):,}", "observations to look at"),
            (f"{configuration.searchable:,}", "subjects searchable now"),
            (f"{_searches(configuration):,}", "answered searches in the log"),
            ("none" if threshold is None else percent(threshold.target), "error rate the threshold was set for"),
        ),
        sections=(
            Section("What deserves a look", (_listed(looks),)),
            Section("The processing", _description(configuration, statements)),
            Section("Where and whom it reaches", zones_table(configuration)),
            Section(
                "How a candidate comes about",
                (Bullets(decision_steps(configuration.models, threshold, configuration.policy.policy), numbered=True),),
            ),
            Section("Necessity and proportionality", _necessity(configuration, statements)),
            Section("Accuracy", _accuracy(configuration, statements)),
            Section("Risks to the people concerned", _risks(statements)),
            Section("Measures: what the policy enforces", _policy(configuration)),
            *not_enforced(configuration.policy.policy),
            Section("Measures: protection of the data", measures(configuration, statements)),
            Section("Rights of the people concerned", _rights(configuration)),
            Section(
                "Views and review",
                (
                    Facts(
                        (
                            ("People concerned or their representatives", statements.consultation),
                            ("Data protection officer", statements.data_protection_officer),
                            ("Review", statements.review),
                        )
                    ),
                ),
            ),
        ),
        closing=provenance(configuration),
    )


def observations(configuration: Configuration) -> tuple[str, ...]:
    """Observations on the configuration: each a fact and why it matters; no verdict."""
    return (
        *_accuracy_observations(configuration),
        *_people_observations(configuration),
        *_record_observations(configuration),
        *_state_observations(configuration),
    )


def _accuracy_observations(configuration: Configuration) -> Iterator[str]:
    threshold, policy = configuration.threshold, configuration.policy.policy
    if threshold is None:
        yield "No tested threshold is known here: how often a wrong person is returned has not been measured."
        return
    if threshold.error_kind != "FPIR":
        yield (
            "The threshold was tested for single comparisons only: how often a search of the whole list returns a "
            "wrong person has not been measured."
        )
    if threshold.gallery_size is not None and configuration.searchable > threshold.gallery_size:
        yield (
            f"{amount(configuration.searchable, 'subject is', 'subjects are')} searchable; the threshold was tested "
            f"with {threshold.gallery_size:,}. More subjects mean more false positives."
        )
    if threshold.target > policy.target_fpir.maximum:
        yield (
            f"The threshold was set for {percent(threshold.target)}; the policy allows "
            f"{percent(policy.target_fpir.maximum)} at most."
        )
    if not policy.report_age.required:
        yield "The policy does not judge how old the test of the threshold is."
    if not policy.target_fpir.required:
        yield "The policy lets searches run without a tested threshold."
    yield "Error rates by group of people are not in the calibration: unequal errors would not be seen here."


def _people_observations(configuration: Configuration) -> Iterator[str]:
    policy, actors = configuration.policy.policy, configuration.actors
    owners = dict(configuration.roles).get("owner", ())
    if owners:
        yield (
            f"{', '.join(owners)} may do everything (role owner): where one person holds every role, no one checks "
            "what they do."
        )
    if len(actors) < 2:
        yield "Fewer than two people have a role, so nothing that takes two people can be done, or checked."
    if not policy.dual_control.required:
        yield "One person alone can enroll somebody: the policy asks for no approval."
    if not policy.separate_roles.pairs:
        yield "The policy lets one actor hold any roles together."
    idle = [text.rule.replace("_", " ") for text in policy.describe() if not text.enforced]
    if idle:
        yield f"The policy sets rules that are {NOT_ENFORCED}: {', '.join(idle)}."


def _record_observations(configuration: Configuration) -> Iterator[str]:
    consents, policy = configuration.consents, configuration.policy.policy
    for found, what in (
        (consents.categories, "why the subject is on the list (category)"),
        (consents.sources, "where the pictures come from"),
        (consents.retention, "how long the data is kept"),
        (consents.storage_locations, "where the data is kept"),
    ):
        silent = sum(tally.count for tally in found if tally.name is None)
        if silent:
            yield f"{amount(silent, 'consent record')} in force {'does' if silent == 1 else 'do'} not say {what}."
    unnamed = sum(party.records for party in consents.controllers if party.name is None)
    if unnamed:
        yield f"{amount(unnamed, 'consent record')} in force {'names' if unnamed == 1 else 'name'} no controller."
    everywhere = sum(tally.count for tally in consents.sites if tally.name == "every site")
    if everywhere:
        yield f"{amount(everywhere, 'consent record')} in force {'covers' if everywhere == 1 else 'cover'} every site."
    if consents.overdue:
        yield f"{amount(consents.overdue, 'consent record')} past their time wait for a sweep."
    if not policy.zones.required:
        yield "Searches need not name a zone, so a search outside every zone with grounds of its own is possible."


def _state_observations(configuration: Configuration) -> Iterator[str]:
    complaints, audit = configuration.complaints, configuration.audit
    if complaints.waiting:
        yield f"{amount(complaints.waiting, 'complaint')} not decided yet."
    if configuration.suspensions:
        yield f"{amount(len(configuration.suspensions), 'suspension')} in force."
    if configuration.models.problem is not None:
        yield f"The models could not be loaded where this was made: {configuration.models.problem}"
    if not audit.checkpoints:
        yield "The audit log has no signed checkpoint; without one kept elsewhere, a cut-off end is not found."


def _listed(items: tuple[str, ...]) -> Block:
    return Bullets(items) if items else Paragraph("Nothing in the configuration.")


def _searches(configuration: Configuration) -> int:
    wanted = {"identify, done", "verify, done"}
    return sum(tally.count for tally in configuration.audit.actions if tally.name in wanted)


def _description(configuration: Configuration, statements: Statements) -> tuple[Block, ...]:
    consents = configuration.consents
    name, contact = controllers_of(configuration, statements)
    recipients: Cell = counted(consents.recipients) or "nobody: no consent record in force names a recipient"
    return (
        Facts(
            (
                ("Controller", name),
                ("Contact", contact),
                ("Processors", statements.processors),
                ("Nature", "faces in pictures are compared with the templates of enrolled subjects (1:N, and 1:1)"),
                ("Scope: subjects by state", counted(configuration.subjects, "subject") or "none"),
                ("Scope: templates by state", counted(configuration.templates, "template") or "none"),
                ("Scope: what the log counts", counted(configuration.audit.actions, "entry", "entries") or "none"),
                ("Context", statements.context),
                ("Purposes", counted(consents.purposes)),
                ("Lawful bases", counted(consents.lawful_bases)),
                ("Enrollment categories", counted(consents.categories)),
                ("Personal data", counted(consents.personal_data)),
                ("Sources of the pictures", counted(consents.sources)),
                ("Recipients", recipients),
                ("Transfers", statements.transfers),
                ("Assessments referred to", counted(consents.assessments)),
            )
        ),
    )


def _necessity(configuration: Configuration, statements: Statements) -> tuple[Block, ...]:
    return (
        Facts(
            (
                ("Why face recognition is necessary", statements.necessity),
                ("Less intrusive means considered", statements.alternatives),
                ("Why it is proportionate", statements.proportionality),
            )
        ),
        Paragraph("What keeps the processing to what is needed:"),
        Facts(
            (
                ("Only named purposes", configuration.policy.policy.purposes.sentence()),
                ("Only named places", configuration.policy.policy.zones.sentence()),
                *retention_rows(configuration.policy.policy),
            )
        ),
    )


def _accuracy(configuration: Configuration, statements: Statements) -> tuple[Block, ...]:
    threshold = configuration.threshold
    said = () if threshold is None else (Paragraph(test_sentence(threshold)),)
    planned: tuple[Block, ...] = ()
    if threshold is not None and threshold.gallery_size is not None and configuration.searchable:
        base = threshold.target if threshold.upper is None else threshold.upper
        rate = 1 - (1 - base) ** (configuration.searchable / threshold.gallery_size)
        planned = (
            Paragraph(
                f"For planning only, with {amount(configuration.searchable, 'searchable subject')} as now: up to "
                f"{percent(rate)} of searches for people who are not on the list, by 1 - (1 - FPIR)^(N'/N), which "
                "takes comparisons for independent. They are not: measure before you rely on it."
            ),
        )
    return (*said, test_facts(threshold, statements), *planned)


def _risks(statements: Statements) -> tuple[Block, ...]:
    return (
        Table(
            ("Risk", "What it can mean", "Likelihood and severity, as the controller judges"),
            tuple((risk, harm, None) for risk, harm in _RISKS),
            caption="A list to start from, not a complete one.",
        ),
        Facts((("Consequences of errors at this place", statements.consequences),)),
    )


def _policy(configuration: Configuration) -> tuple[Block, ...]:
    ruling = configuration.policy
    return (
        Paragraph(
            f"The policy {ruling.policy.title!r}, version {ruling.version}. A rule refuses what it does not allow; "
            "nothing in the interface goes round it."
        ),
        Table(("Rule", "What it says"), policy_rows(ruling.policy)),
    )


def _rights(configuration: Configuration) -> tuple[Block, ...]:
    complaints = configuration.complaints
    return (
        Facts(
            (
                ("Access", "one file with everything about a subject, and nothing about others"),
                ("Withdrawal", "in force with the next search of every process"),
                ("Withdrawal methods named", counted(configuration.consents.withdrawal_methods)),
                ("Erasure", "templates, records and data key, with a signed certificate"),
                ("Restriction", "a contested reference is not searched until the complaint is decided"),
                (
                    "Complaints",
                    f"{complaints.waiting:,} open, {complaints.upheld:,} upheld, {complaints.dismissed:,} not upheld",
                ),
            )
        ),
    )
