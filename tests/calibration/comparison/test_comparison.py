"""Two bundles on the same images, beside scikit-learn, scipy and counts by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score
from softcore_calibration.comparison import comparison, page
from softcore_calibration.comparison.comparison import Comparison, bound_gain, compare
from softcore_calibration.comparison.page import describe_verdict, write_page
from softcore_calibration.data.samples import find_samples
from softcore_runtime import Decision, FrameError, Inspector
from softcore_runtime.backends.engine import describe_backbone
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.language.catalogue import LANGUAGES

from tests.languages import find_alike

from ...examples import find_documented, has_example, type_example

OLD, NEW = 6.0, 3.0


def load(bundle: Path, threshold: float, fail_above: float | None = None) -> Inspector:
    inspector = Inspector.load(bundle, any_threshold=True)
    inspector.override_threshold(
        Threshold(value=threshold, fail_above=fail_above, provisional=False, method="by hand"), None
    )
    return inspector


def compare_on(places: list[tuple[Path, bool | None]], old: Inspector, new: Inspector) -> Comparison:
    samples = find_samples(places)
    return compare(old, new, ((sample, sample.defective) for sample in samples))


@pytest.fixture
def old(tiny_bundle: Path) -> Inspector:
    return load(tiny_bundle, OLD)


@pytest.fixture
def new(tiny_bundle: Path) -> Inspector:
    return load(tiny_bundle, NEW)


def test_parts_that_change_sides_are_those_between_the_thresholds(
    old: Inspector, new: Inspector, category: Path
) -> None:
    found = compare_on([(category, None)], old, new)
    assert len(found.images) == 64
    assert found.count(False) == 40
    for image in found.images:
        assert image.old.score == image.new.score
        between = NEW < image.old.score <= OLD
        assert image.changed == between
        assert image.gained == (between and image.defective is True)
        assert image.lost == (between and image.defective is False)
        assert image.old.ratio == image.old.score / OLD
    assert any(image.gained for image in found.images)
    scores = np.array([image.old.score for image in found.images])
    bad = np.array([bool(image.defective) for image in found.images])
    for outcome, threshold in ((found.old, OLD), (found.new, NEW)):
        assert outcome.auroc == pytest.approx(roc_auc_score(bad, scores))
        assert outcome.overkill is not None
        assert outcome.overkill.count == int((scores[~bad] > threshold).sum())
        assert outcome.escape is not None
        assert outcome.escape.count == int((scores[bad] <= threshold).sum())
    assert found.gain == (0, 0)


def test_a_part_in_the_grey_zone_is_neither_lost_nor_gained(
    old: Inspector, tiny_bundle: Path, category: Path
) -> None:
    found = compare_on([(category, None)], load(tiny_bundle, NEW, 1e6), old)
    reviewed = [image for image in found.images if image.old.decision is Decision.REVIEW]
    assert reviewed
    for image in reviewed:
        assert not image.gained
        assert image.lost == (image.new.decision is (Decision.PASS if image.defective else Decision.FAIL))


def test_an_image_counts_once_and_not_at_all_if_it_is_given_as_both(
    old: Inspector, new: Inspector, category: Path, tmp_path: Path
) -> None:
    for kind, name in (("good", "a"), ("good", "copy"), ("good", "both"), ("bad", "both")):
        (tmp_path / kind).mkdir(exist_ok=True)
        source = category / "test" / "good" / ("001.png" if name == "both" else "000.png")
        shutil.copy(source, tmp_path / kind / f"{name}.png")
    (tmp_path / "good" / "broken.png").write_bytes(b"no image")
    found = compare_on([(tmp_path / "good", False), (tmp_path / "bad", True)], old, new)
    assert [Path(image.name).name for image in found.images] == ["a.png"]
    assert found.repeated == 1
    assert found.contradicted == (str(tmp_path / "bad" / "both.png"),)
    assert len(found.unread) == 1
    assert "broken.png" in found.unread[0]


def test_a_copy_that_nobody_has_labelled_is_no_contradiction(
    old: Inspector, new: Inspector, category: Path
) -> None:
    samples = list(find_samples([(category / "test" / "spot", True)]))
    found = compare(old, new, [*((one, True) for one in samples), *((one, None) for one in samples)])
    assert (len(found.images), found.repeated, found.contradicted) == (24, 24, ())
    assert found.count(True) == 24


def test_what_can_t_be_inspected_is_invalid_and_passes_nobody(
    old: Inspector, new: Inspector, monkeypatch: pytest.MonkeyPatch, category: Path
) -> None:
    def refuse(_: object) -> None:
        raise FrameError("not where it should be")

    monkeypatch.setattr(new, "inspect", refuse)
    found = compare_on([(category, None)], old, new)
    for image in found.images:
        assert image.new.decision is Decision.INVALID
        assert image.new.reason == "not where it should be"
        assert not (image.defective and image.lost)
    assert found.new.overkill is not None
    assert found.new.overkill.value == 1
    assert found.new.escape is not None
    assert found.new.escape.value == 0


def test_the_interval_is_that_of_scipy_s_bootstrap() -> None:
    rng = np.random.default_rng(1)
    good, bad = rng.normal(0, 1, (2, 60)), rng.normal(1, 1, (2, 50))
    bad[1] += 0.4
    low, high = bound_gain(
        (good[0].tolist(), bad[0].tolist()), (good[1].tolist(), bad[1].tolist())
    ) or pytest.fail("no interval")

    def gain(some_good: np.ndarray, some_bad: np.ndarray) -> float:
        labels = np.repeat([0, 1], [len(some_good), len(some_bad)])
        scores = [np.concatenate([good[side, some_good], bad[side, some_bad]]) for side in (0, 1)]
        return float(roc_auc_score(labels, scores[1]) - roc_auc_score(labels, scores[0]))

    oracle = bootstrap(
        (np.arange(60), np.arange(50)),
        gain,
        n_resamples=300,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert low == pytest.approx(oracle.low, abs=0.025)
    assert high == pytest.approx(oracle.high, abs=0.025)
    assert bound_gain(([1.0], []), ([1.0], [])) is None


def test_the_verdict_counts(old: Inspector, new: Inspector, category: Path) -> None:
    same = compare_on([(category, None)], old, old)
    assert describe_verdict(same) == "the new bundle decides all 64 images as the old one does"
    found = compare_on([(category, None)], old, new)
    gained, lost = (sum(getattr(image, way) for image in found.images) for way in ("gained", "lost"))
    assert f"is right about {gained} image" in describe_verdict(found)
    assert ("is wrong about" in describe_verdict(found)) == bool(lost)
    back = compare_on([(category, None)], new, old)
    assert f"is wrong about {gained} image" in describe_verdict(back)


DOCUMENTED = {**find_documented(comparison), **find_documented(page)}


@pytest.mark.parametrize("name", [name for name, thing in DOCUMENTED.items() if has_example(thing)])
def test_an_example_prints_what_it_says(name: str, old: Inspector, category: Path) -> None:
    samples = [(sample, sample.defective) for sample in find_samples([(category, None)])]
    known = {**vars(page), **vars(comparison), "inspector": old, "samples": samples}
    known["comparison"] = compare(old, old, samples)
    assert not type_example(name, DOCUMENTED[name], known)


def test_the_page_says_all_of_it_in_german(
    old: Inspector, new: Inspector, category: Path, tmp_path: Path
) -> None:
    found = compare_on([(category, None)], old, new)
    pages = []
    for language in LANGUAGES:
        file = tmp_path / f"{language}.html"
        write_page(file, found, old, new, language)
        pages.append(file.read_text(encoding="utf-8"))
    names = [str(old.bundle.path), old.manifest.category, describe_backbone(old.manifest.backbone)]
    names += [image.name for image in found.images]
    names += [image.name.removeprefix(f"{category}/") for image in found.images]
    names += ["/".join(image.path.parts[-2:]) for image in found.images]
    assert find_alike(*pages, names) == []
