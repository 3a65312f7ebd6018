"""Differentials: counts against brute force, ratios by hand, insufficient groups, the gate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facematch.errors import InvalidArgument, ThresholdRequired
from facematch.evaluation.differentials import evaluate_differentials, people_of_groups, read_groups
from facematch.evaluation.grouping import GroupCounts, comparison_counts
from facematch.evaluation.pictures import EmbeddedPictures, read_folder
from facematch.evaluation.ratios import judge, rates_and_ratios
from facematch.testing import FakeAnalyzer
from tests.unit.evaluation.support import labeled_folder

PEOPLE = {**dict.fromkeys(range(12), 3), **dict.fromkeys(range(12, 24), 1)}


def counts(erring: dict[int, int], people: int, trials: int = 10) -> GroupCounts:
    errors = np.zeros(people, dtype=np.int64)
    errors[list(erring)] = list(erring.values())
    return GroupCounts(errors, np.full(people, trials, dtype=np.int64))


def halves(people: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.repeat(np.array([0, 1], dtype=np.int64), people // 2)


def test_ratios_by_hand() -> None:
    metric = counts({**dict.fromkeys(range(20), 2), **dict.fromkeys(range(100, 110), 1)}, 200)
    rates, max_min, max_geomean = rates_and_ratios({"fpir": metric}, halves(200), ["a", "b"], replicates=400)
    assert [(rate.errors, rate.trials, rate.people, rate.rate) for rate in rates["fpir"].values()] == [
        (40, 1000, 100, 0.04),
        (10, 1000, 100, 0.01),
    ]
    assert max_min["fpir"].value == pytest.approx(4)
    assert max_min["fpir"].groups == ("a", "b")
    assert max_geomean["fpir"].value == pytest.approx(0.04 / np.sqrt(0.04 * 0.01))
    for ratio in (max_min["fpir"], max_geomean["fpir"]):
        assert ratio.interval is not None
        assert ratio.value is not None
        assert 1 <= ratio.interval.low < ratio.value < ratio.interval.high
    assert all(rate.rate in rate.interval for rate in rates["fpir"].values() if rate.interval and rate.rate)


def test_no_ratio_over_a_group_without_errors() -> None:
    metric = counts(dict.fromkeys(range(20), 1), 200)
    rates, max_min, _ = rates_and_ratios({"fpir": metric}, halves(200), ["a", "b"], replicates=50)
    assert max_min["fpir"].value is None
    silent = rates["fpir"]["b"]
    assert silent.insufficient == "no errors among 100 people, about 299 are needed"  # 3 / the overall rate of 1 %
    assert silent.people_needed == 299
    assert silent.interval is not None
    assert silent.interval.high == pytest.approx(0.0362, abs=1e-4)  # 100 people without an error


def test_no_ratio_over_too_few_people() -> None:
    group = np.array([0] * 90 + [1] * 10)
    metric = counts({0: 3, 1: 2, 95: 4}, 100)
    rates, max_min, max_geomean = rates_and_ratios({"fnir": metric}, group, ["many", "few"], replicates=50)
    assert rates["fnir"]["few"].insufficient == "10 people, 30 are needed"
    assert rates["fnir"]["many"].insufficient is None
    assert (max_min["fnir"].value, max_geomean["fnir"].value) == (None, None)


def test_a_group_without_trials_is_no_zero() -> None:
    metric = GroupCounts(np.zeros(40, dtype=np.int64), np.repeat(np.array([5, 0], dtype=np.int64), 20))
    rates, _, _ = rates_and_ratios({"fnir": metric}, halves(40), ["a", "b"], replicates=20)
    assert (rates["fnir"]["b"].rate, rates["fnir"]["b"].insufficient) == (None, "no trials")


def test_one_trial_a_person_has_an_exact_interval() -> None:
    metric = GroupCounts.of_people(np.arange(100) % 10 == 0)
    rates, _, _ = rates_and_ratios({"fte": metric}, halves(100), ["a", "b"], replicates=20)
    interval = rates["fte"]["a"].interval
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.03328, 0.21814), abs=1e-4)  # scipy.stats: 5 of 50


def test_intervals_of_ratios_cover_the_truth() -> None:
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(100):
        wrong = random.binomial(5, np.repeat(random.beta(2, [18, 38], size=(200, 2)).T.reshape(-1), 1))
        metric = GroupCounts(wrong, np.full(400, 5, dtype=np.int64))
        _, max_min, _ = rates_and_ratios({"fpir": metric}, halves(400), ["a", "b"], replicates=200)
        interval = max_min["fpir"].interval
        covered += interval is not None and 2.0 in interval  # means of the betas: 0.1 and 0.05
    assert 0.88 <= covered / 100 <= 1.0


def brute_force(faces: EmbeddedPictures, who: list[int], group: list[int], threshold: float) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    for i in range(len(who)):
        for j in range(i + 1, len(who)):
            score = float(faces.embeddings[i] @ faces.embeddings[j])
            if who[i] == who[j]:
                key, erred = f"mated {group[who[i]]}", score < threshold
            else:
                one, two = sorted((group[who[i]], group[who[j]]))
                key, erred = f"non-mated {one} {two}", score >= threshold
            total = out.setdefault(key, [0, 0])
            total[0] += erred
            total[1] += 1
    return out


def test_comparisons_equal_brute_force() -> None:
    random = np.random.default_rng(3)
    who = random.integers(0, 40, 150)
    group = random.integers(0, 3, 40)
    vectors = random.standard_normal((150, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nan = np.full(150, np.nan, np.float32)
    faces = EmbeddedPictures(
        ("",) * 150, ("",) * 150, vectors, np.ones(150, bool), nan, nan, nan, np.zeros((150, 2), int), (), "", 0
    )
    found = comparison_counts(faces, who, group, 3, 0.5)
    expected = brute_force(faces, who.tolist(), group.tolist(), 0.5)
    for one in range(3):
        assert list(found.mated.totals(group == one)) == expected[f"mated {one}"]
        assert list(found.within_groups.totals(group == one)) == expected[f"non-mated {one} {one}"]
        for two in range(one, 3):
            rate = found.across[one][two]
            assert [rate.errors, rate.trials] == expected[f"non-mated {one} {two}"]
            assert found.across[two][one] == rate


def test_resampled_comparisons_count_by_the_product_of_both_people() -> None:
    """A replicate with a person twice: as if the person's pictures were there twice, never compared with each other."""
    pairs = np.array([[0, 1], [1, 2]])
    count = GroupCounts(np.array([2, 1]), np.array([3, 2, 4]), pairs)
    everyone = np.ones(3, dtype=bool)
    rates = count.resampled(np.array([[1, 1, 1], [2, 1, 0], [3, 0, 0]]), everyone)
    assert rates[0] == pytest.approx(3 / (3 * 2 + 2 * 4 + 3 * 4))
    assert rates[1] == pytest.approx(4 / 12)
    assert np.isnan(count.resampled(np.array([[0, 0, 0]]), everyone)[0])


def groups_csv(root: Path, path: Path) -> Path:
    names = [f"p{person:02}/0.png,{'ab'[person % 2]}" for person in PEOPLE]
    path.write_text("image,group\n" + "\n".join(names) + "\n", "utf-8")
    return path


def test_the_whole_protocol_on_synthetic_people(tmp_path: Path) -> None:
    root = labeled_folder(tmp_path / "pictures", PEOPLE)
    result = evaluate_differentials(
        FakeAnalyzer(8),
        root,
        groups_csv(root, tmp_path / "g.csv"),
        target_fpir=0.3,
        draws=3,
        min_people=3,
        max_ratio=1.0,
    )
    document = result.to_dict()
    assert document["groups"] == {"a": 12, "b": 12}
    assert set(document["rates"]) == {"fpir", "fnir", "fmr", "fnmr", "fte"}
    assert 0.2 <= result.fpir <= 0.3
    assert sum(rate["errors"] for rate in document["rates"]["fpir"].values()) > 0
    assert document["cross_fmr"]["a"]["a"]["trials"] == (24 * 24 - 6 * 9 - 6) // 2
    assert result.gate is not None
    assert not result.gate.passed
    assert any("times that of" in reason or "cannot be judged" in reason for reason in result.gate.reasons)


def test_people_without_a_group_and_with_several_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = read_folder(labeled_folder(tmp_path, {0: 2, 1: 2, 2: 1}))
    clear, absent, ambiguous = people_of_groups(folder, {"p00/0.png": "a", "p01/0.png": "a", "p01/1.png": "b"})
    assert (clear, absent.tolist(), ambiguous.tolist()) == ({0: "a"}, [2], [1])
    with pytest.raises(InvalidArgument, match=r"1 pictures are missing: p07/0\.png"):
        people_of_groups(folder, {"p07/0.png": "a"})


def test_the_gate_passes_only_what_can_be_judged() -> None:
    fine = counts({**dict.fromkeys(range(20), 2), **dict.fromkeys(range(100, 120), 2)}, 200)
    silent = counts({0: 1}, 200)
    group, names = halves(200), ["a", "b"]
    rates, max_min, _ = rates_and_ratios({"fpir": fine, "fnir": fine}, group, names, replicates=20)
    assert judge(rates, max_min, 1.5).passed
    rates, max_min, _ = rates_and_ratios({"fpir": fine, "fnir": silent}, group, names, replicates=20)
    assert judge(rates, max_min, 1.5).reasons == (
        "FNIR of group b cannot be judged: no errors among 100 people, about 5990 are needed",
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("image,label\na,b\n", "lacks the column group"),
        ("image,group\np.png,a\np.png,b\n", "line 3: p.png is in two groups"),
        ("image,group\n", "no rows"),
    ],
)
def test_malformed_lists_are_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidArgument, match=complaint):
        read_groups(path)


def test_arguments_are_checked(tmp_path: Path) -> None:
    root = labeled_folder(tmp_path / "pictures", PEOPLE)
    groups = groups_csv(root, tmp_path / "g.csv")
    with pytest.raises(InvalidArgument, match="exclude"):
        evaluate_differentials(FakeAnalyzer(), root, groups, threshold=0.5, target_fpir=0.1)
    with pytest.raises(InvalidArgument, match="at least 1"):
        evaluate_differentials(FakeAnalyzer(), root, groups, max_ratio=0.5)
    with pytest.raises(ThresholdRequired):
        evaluate_differentials(FakeAnalyzer(threshold=None), root, groups)
    (tmp_path / "one.csv").write_text("image,group\np00/0.png,a\n", "utf-8")
    with pytest.raises(InvalidArgument, match="two groups"):
        evaluate_differentials(FakeAnalyzer(), root, tmp_path / "one.csv")
