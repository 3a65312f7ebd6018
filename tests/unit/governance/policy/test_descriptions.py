from __future__ import annotations

import pytest

from facematch.governance import Role
from facematch.governance.policy import Policy, Rule
from facematch.governance.policy.rules import (
    Adults,
    CaptureBases,
    Categories,
    Corroboration,
    DualControl,
    GalleryLimit,
    Incident,
    LawfulBases,
    PeopleToResume,
    Precision,
    Purposes,
    Quality,
    Recipients,
    ReportAge,
    Retention,
    Reviewers,
    SeparateRoles,
    Sites,
    Sources,
    TargetFpir,
    Validity,
    Vulnerable,
    Zones,
)

SENTENCES: list[tuple[Rule, str]] = [
    (LawfulBases(), "Enrollment may stand on these lawful bases: none."),
    (Purposes(allowed=("b", "a")), "Consents and searches may name these purposes: a, b."),
    (Sites(allowed=("*",)), "Consents and searches may name these sites: any."),
    (Zones(), "Every search must name a zone, and it must be open."),
    (Zones(required=False), "A search may name a zone, which then must be open."),
    (Categories(), "Every enrollment needs one of these categories: none."),
    (
        Categories(allowed=("staff",), required=False),
        "An enrollment may name one of these categories: staff.",
    ),
    (Incident(), "An enrollment must name the incident behind it."),
    (Incident(required=False), "An enrollment need not name the incident behind it."),
    (Validity(max_days=365), "A consent lasts at most 365 days, and so does each renewal."),
    (Adults(), "Only subjects whom a person attested to be adults are enrolled; age is never estimated."),
    (Vulnerable(), "A subject marked as a vulnerable person is not enrolled."),
    (Sources(), "An enrollment must say where its pictures come from, one of: none."),
    (
        Sources(allowed=("live-capture",), required=False),
        "An enrollment may say where its pictures come from, one of: live-capture.",
    ),
    (Quality(), "No picture is enrolled, because the policy sets no quality gate."),
    (Quality(gate="required"), "Every picture must pass the quality gate; nobody may override it."),
    (
        Quality(gate="where-measured", overrides=True),
        "A picture must pass, where it is measured, the quality gate; a second person may override it with a reason.",
    ),
    (DualControl(), "An enrollment is searched only after another person than the enroller approved it."),
    (DualControl(required=False), "An enrollment needs no approval by a second person."),
    (Recipients(), "Data may go to these recipients, where the consent names them too: none."),
    (CaptureBases(allowed=("consent",)), "A zone may be opened on these capture bases: consent."),
    (TargetFpir(maximum=0.01), "A threshold must be tested; where it is, for an FPIR of at most 0.01."),
    (
        TargetFpir(maximum=0.2, required=False),
        "A threshold need not be tested; where it is, for an FPIR of at most 0.2.",
    ),
    (
        GalleryLimit(max_subjects=9),
        "A search reaches at most 9 subjects; one over more than the threshold was tested with is refused.",
    ),
    (
        GalleryLimit(max_subjects=9, outgrown="warn"),
        (
            "A search reaches at most 9 subjects; one over more than the threshold was tested with is answered with a "
            "warning."
        ),
    ),
    (ReportAge(max_age_days=9), "A search needs a test report that is at most 9 days old."),
    (ReportAge(required=False), "The age of the test report is not judged."),
    (Corroboration(), "No alert is raised, because the policy sets no number of frames."),
    (Corroboration(frames=3), "An alert needs 3 or more frames of one passage that reach the threshold."),
    (
        Corroboration(frames=3, two_cameras=True),
        "An alert needs 3 or more frames, or two cameras, of one passage that reach the threshold.",
    ),
    (Reviewers(), "No action is recorded, because the policy sets no number of reviewers."),
    (
        Reviewers(count=2),
        (
            "An action may follow only after 2 distinct reviewers confirmed, each without seeing verdicts or scores; "
            "one rejection ends it."
        ),
    ),
    (
        Reviewers(count=2, blind=False),
        "An action may follow only after 2 distinct reviewers confirmed; one rejection ends it.",
    ),
    (Reviewers(count=1), "An action may follow only after a reviewer confirmed; one rejection ends it."),
    (Precision(), "No site goes on, because the policy sets no minimum precision."),
    (
        Precision(minimum=0.8, min_decided=20),
        "From 20 decided alerts on, a site suspends itself where fewer than 80% were right.",
    ),
    (PeopleToResume(), "A suspension cannot be lifted, because the policy sets no number of people."),
    (PeopleToResume(count=2), "Lifting a suspension takes 2 distinct people."),
    (
        Retention(pending_days=7),
        (
            "References are erased 0 days after the consent ended, pending enrollments after 7 days, media of "
            "unconfirmed alerts after 0 hours or at midnight UTC; audit entries are never pruned."
        ),
    ),
    (
        Retention(unconfirmed_media_hours=72, unconfirmed_media_midnight=False, audit_days=365),
        (
            "References are erased 0 days after the consent ended, pending enrollments after 0 days, media of "
            "unconfirmed alerts after 72 hours; audit entries are kept 365 days."
        ),
    ),
    (SeparateRoles(), "Nobody may hold a role, because the policy does not say which are separated."),
    (SeparateRoles(pairs=()), "One actor may hold any roles together."),
    (SeparateRoles(pairs=((Role.AUDITOR, Role.ADMIN),)), "One actor may not be both: admin and auditor."),
]


@pytest.mark.parametrize(("rule", "sentence"), SENTENCES, ids=lambda value: getattr(value, "name", ""))
def test_a_rule_in_a_sentence(rule: Rule, sentence: str) -> None:
    assert rule.sentence() == sentence


def test_every_rule_has_a_sentence_above() -> None:
    assert {type(rule) for rule, _ in SENTENCES} == {type(rule) for rule in Policy().rules}
