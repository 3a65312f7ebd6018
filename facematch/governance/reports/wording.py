"""Sentences that reports share: decision steps, tested error rates, retention periods, rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from facematch.governance.policy import NOT_ENFORCED, Policy, PolicyVersion
from facematch.governance.reports.facts import Configuration, ModelFacts, Tally, TestedThreshold
from facematch.governance.reports.statements import Statements
from facematch.reporting import Cell, Facts, Paragraph, Section, Table

__all__ = [
    "DISCLAIMER",
    "NO_TRAITS",
    "amount",
    "counted",
    "day",
    "decision_steps",
    "human_review",
    "media_limit",
    "moment",
    "named",
    "not_enforced",
    "percent",
    "policy_rows",
    "provenance",
    "retention_rows",
    "rule_in_words",
    "test_facts",
    "test_sentence",
]

DISCLAIMER: Final = (
    "This is a draft for the controller to check and to complete. It is no legal advice, and it does not claim "
    "conformance with any law or standard."
)

NO_TRAITS: Final = (
    "Age, sex, origin, health, mood or any other trait is never estimated from a face, and plays no part."
)


def amount(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 subject``, ``2 subjects``."""
    return f"{count:,} {one if count == 1 else (many or one + 's')}"


def percent(share: float) -> str:
    """A share in ``[0, 1]`` as a percentage with three significant digits at most."""
    return f"{100 * share:.3g} %"


def moment(when: datetime) -> str:
    """A moment in UTC to the minute."""
    return when.strftime("%Y-%m-%d %H:%M UTC")


def day(when: datetime) -> str:
    """The day of a moment in UTC."""
    return when.strftime("%Y-%m-%d")


def counted(found: Sequence[Tally], noun: str = "record", nouns: str | None = None) -> Cell:
    """Names with their counts; what was stated nowhere is ``None``, and gaps among stated ones are said."""
    if not any(tally.name is not None for tally in found):
        return None
    return tuple(
        f"{'not stated' if tally.name is None else tally.name} ({amount(tally.count, noun, nouns)})" for tally in found
    )


def named(found: Iterable[Tally]) -> Cell:
    """Names without counts, for readers who must not learn how many; ``None`` where nothing was stated."""
    names = tuple(tally.name for tally in found if tally.name is not None)
    return names if names else None


def rule_in_words(rule: str) -> str:
    """A subject rule in words; see :class:`facematch.matching.SubjectRule`."""
    if rule == "max":
        return "the best of the scores of the subject's templates"
    if rule == "mean_template":
        return "the score of the mean of the subject's templates"
    top = rule.removeprefix("mean_top_")
    return f"the mean of the {top} best scores of the subject's templates" if top.isdigit() else rule


def decision_steps(models: ModelFacts, threshold: TestedThreshold | None, policy: Policy) -> tuple[str, ...]:
    """Steps from a picture to a candidate, for readers without knowledge of the field."""
    numbers = "numbers" if models.dimension is None else f"{models.dimension} numbers"
    by = "" if models.embedder is None else f" by the model {models.embedder}"
    rule = "" if threshold is None else f" The score of a subject is {rule_in_words(threshold.rule)}."
    limit = (
        "A subject whose score reaches the threshold in force becomes a candidate."
        if threshold is None
        else f"A subject whose score is at least {threshold.threshold:.4g} (the threshold) becomes a candidate. "
        "A search may raise the threshold, never lower it."
    )
    return (
        f"A search begins with a picture. Each face in it is turned into a list of {numbers}{by}.",
        (
            "These numbers are compared only with the stored ones of subjects whose consent record is in force and "
            "names the purpose and the place of the search. No other subject is compared."
        ),
        (
            "The comparison gives a score, a cosine from -1 to 1. It says how alike two pictures are; it is no "
            f"probability that they show the same person.{rule}"
        ),
        limit,
        (
            "A candidate is a suggestion for a person to judge. It is no identity, and the software takes no action "
            f"on its own. {human_review(policy)}"
        ),
        NO_TRAITS,
    )


def human_review(policy: Policy) -> str:
    """Review of candidates by people: the policy's rule where it is enforced, else that it is the controller's task."""
    if policy.reviewers.enforced_by:
        return policy.reviewers.sentence()
    return f"Who judges it, and how many people, is for the controller to arrange: {NOT_ENFORCED}."


def test_sentence(threshold: TestedThreshold) -> str:
    """Tested error rate of a threshold, in one or two sentences."""
    if threshold.error_kind != "FPIR":
        return (
            f"The threshold comes with the model pack. It was set so that {percent(threshold.target)} of "
            f"comparisons of two different people reach it (FMR), tested with "
            f"{amount(threshold.trials, 'comparison')} of {threshold.data} ({threshold.measured_at}). How often a "
            "search of a whole list returns a wrong person was not tested, and grows with the list."
        )
    text = (
        f"The threshold was set so that at most {percent(threshold.target)} of searches for people who are not on "
        "the list return somebody (FPIR)."
    )
    if threshold.errors is not None:
        text += (
            f" In the test of {threshold.measured_at}, {threshold.errors:,} of {threshold.trials:,} such people were "
            f"returned as a candidate ({percent(threshold.errors / threshold.trials)})"
        )
        if threshold.upper is not None and threshold.confidence is not None:
            text += f"; with {percent(threshold.confidence)} confidence the rate is at most {percent(threshold.upper)}"
        text += "."
    return text


def test_facts(threshold: TestedThreshold | None, statements: Statements) -> Facts:
    """A tested threshold as facts; what neither the test nor the controller says is not stated."""
    if threshold is None:
        return Facts(
            (
                ("Tested threshold", None),
                ("False positives (FPIR)", None),
                ("Misses of people on the list (FNIR)", statements.misses),
                ("Error rates by group of people", statements.differences),
            )
        )
    observed: Cell = None
    if threshold.errors is not None:
        observed = (
            f"{threshold.errors:,} of {threshold.trials:,} people ({percent(threshold.errors / threshold.trials)})"
        )
    bound: Cell = None
    if threshold.upper is not None and threshold.confidence is not None:
        bound = f"at most {percent(threshold.upper)} with {percent(threshold.confidence)} confidence (one-sided)"
    size: Cell = None
    if threshold.gallery_size is not None:
        each = "" if threshold.templates is None else f", {amount(threshold.templates, 'template')} each"
        size = f"{amount(threshold.gallery_size, 'subject')}{each}"
    searched = "searches of people who are not on the list" if threshold.error_kind == "FPIR" else "comparisons"
    return Facts(
        (
            ("Threshold (raw cosine)", f"{threshold.threshold:.4g}"),
            ("Score of a subject", rule_in_words(threshold.rule)),
            (f"Set for ({threshold.error_kind})", percent(threshold.target)),
            ("False positives in the test", observed),
            ("Bound of their rate", bound),
            ("Misses of people on the list (FNIR)", statements.misses),
            ("Error rates by group of people", statements.differences),
            ("List in the test", size),
            ("Trials", f"{threshold.trials:,} {searched}"),
            ("Data", threshold.data),
            ("Measured on", threshold.measured_at),
            (
                "Calibration artifact",
                "none; the model pack's threshold" if threshold.digest is None else threshold.digest,
            ),
        )
    )


def media_limit(policy: Policy) -> str:
    """Retention period of the media of unconfirmed alerts by the policy, and whether it is enforced."""
    rule = policy.unconfirmed_media
    midnight = " or at the next midnight UTC, whichever is sooner" if rule.by_midnight else ""
    note = "" if rule.enforced_by else f" ({NOT_ENFORCED})"
    return f"to be deleted by the controller, by the policy after {amount(rule.max_hours, 'hour')}{midnight}{note}"


def retention_rows(policy: Policy) -> tuple[tuple[str, Cell], ...]:
    """Retention periods by the policy in force."""
    rule = policy.retention
    end = rule.erase_after_end_days
    return (
        ("A consent, and each renewal", f"at most {amount(policy.validity.max_days, 'day')}"),
        (
            "Templates and consent records",
            "erased by the first sweep after the consent ended"
            if end == 0
            else f"erased by the first sweep {amount(end, 'day')} after the consent ended",
        ),
        ("Enrollments that were not approved", f"erased by the first sweep after {amount(rule.pending_days, 'day')}"),
        ("Media of alerts that nobody confirmed", f"not stored here; {media_limit(policy)}"),
        ("Faces that are no candidate", "not stored: no picture, template or score of them is kept by a search"),
        (
            "Content of log entries",
            "kept; the policy allows no pruning"
            if rule.audit_days is None
            else f"deleted by the first sweep after {amount(rule.audit_days, 'day')}; their hashes stay",
        ),
    )


def policy_rows(policy: Policy) -> tuple[tuple[Cell, ...], ...]:
    """Rules that this version enforces, each with its sentence."""
    return tuple((_words(text.rule), text.sentence) for text in policy.describe() if text.enforced)


def not_enforced(policy: Policy) -> tuple[Section, ...]:
    """Section on the rules that a policy sets and this version does not enforce; none where all are enforced."""
    rows = tuple((_words(text.rule), text.sentence) for text in policy.describe() if not text.enforced)
    if not rows:
        return ()
    return (
        Section(
            NOT_ENFORCED.capitalize(),
            (
                Paragraph(
                    "The policy sets these rules, too, but this version of the software does not apply them. They are "
                    "no measures: what they ask for, the controller has to bring about by other means."
                ),
                Table(("Rule", "What it asks for"), rows),
            ),
        ),
    )


def _words(rule: str) -> str:
    return rule.replace("_", " ")


def provenance(configuration: Configuration) -> tuple[str, ...]:
    """Provenance of a report, for its last lines."""
    ruling: PolicyVersion = configuration.policy
    return (
        DISCLAIMER,
        (
            f"Generated by facematch {configuration.version} from the live configuration of the watchlist "
            f"{configuration.watchlist_id} at generation {configuration.generation}, asked for by "
            f"{configuration.made_by}. Policy version {ruling.version}, digest {ruling.digest}. Audit log: "
            f"{amount(configuration.audit.size, 'entry', 'entries')}, root {configuration.audit.root}."
        ),
    )
