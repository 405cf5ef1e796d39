"""What an operator's labels mean: by name, by a file, and never by a guess."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.analysis.labels import LabelFile, Labels
from shared.errors import UsageError

THEMES = ("Parking", "Food & drink provision & facilities", "Timeliness of care")


def resolved(*labels: str, **file: object) -> Labels:
    return Labels.resolve(labels, THEMES, LabelFile.model_validate(file))


def scores(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, dtype=np.float32)


def test_themes_are_known_by_their_names_in_whatever_case() -> None:
    labels = resolved("timeliness_of_care", "PARKING")
    assert labels.theme_names == ("Timeliness of care", "Parking")
    assert labels.themes(scores(0.9, 0.2)).tolist() == pytest.approx([0.9, 0.2])
    assert not labels.sentiment_of


@pytest.mark.parametrize(
    ("names", "likeliest"),
    [
        (("1", "2", "3", "4", "5"), 1),
        (("Very positive", "positive", "NEUTRAL", "negative", "very_negative"), 1),
        (("1 star", "2 stars", "3 stars", "4 stars", "5 stars"), 5),
        (("NEGATIVE", "POSITIVE"), 4),
    ],
)
def test_sentiment_is_known_by_its_names(names: tuple[str, ...], likeliest: int) -> None:
    """The first label has the highest score."""
    labels = resolved(*names)
    sentiment = labels.sentiment(scores(0.6, *[0.4 / (len(names) - 1)] * (len(names) - 1)))
    assert int(sentiment.argmax()) + 1 == likeliest
    assert sentiment.sum() == pytest.approx(1)


def test_a_file_says_what_labels_mean_and_stands_above_their_names() -> None:
    labels = resolved(
        "queue", "bay", "bad", "spam", "positive",
        themes={"queue": "Timeliness of care", "bay": "Parking"}, sentiment={"bad": 5, "positive": 1},
        ignore=["spam"], threshold=0.3,
    )  # fmt: skip
    assert labels.theme_names == ("Timeliness of care", "Parking")
    assert labels.threshold == 0.3
    assert labels.sentiment(scores(0.9, 0.9, 0.1, 0.9, 0.3)).tolist() == pytest.approx([0.75, 0, 0, 0, 0.25])


def test_the_highest_of_several_labels_decides_a_theme() -> None:
    labels = resolved("queue", "delay", themes={"queue": "Timeliness of care", "delay": "Timeliness of care"})
    assert labels.themes(scores(0.2, 0.7)).tolist() == pytest.approx([0.7])


def test_what_labels_were_taken_for_can_be_told() -> None:
    assert resolved("1 star", "parking").told(("1 star", "parking")) == "parking is Parking; 1 star is sentiment 5"


@pytest.mark.parametrize(
    ("labels", "file", "told"),
    [
        (("LABEL_0", "LABEL_1"), {}, "it is not known what the label “LABEL_0”, “LABEL_1” means"),
        (("positive", "6"), {}, "label “6” means"),
        (("positive",), {"themes": {"Positive": "Parking"}}, "the model has no label “Positive”; it has “positive”"),
        (("queue",), {"ignore": ["queue"]}, "no label of the model is a theme or a sentiment"),
        (("bad",), {"sentiment": {"bad": 4}, "ignore": ["bad"]}, "“bad” stands there more than once"),
    ],
)
def test_a_label_without_one_meaning_is_refused_in_one_line(
    labels: tuple[str, ...], file: dict[str, object], told: str
) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        resolved(*labels, **file)
    assert "\n" not in str(refused.value)


def test_a_model_without_names_for_its_many_labels_is_told_shortly() -> None:
    with pytest.raises(UsageError, match="and 92 more"):
        resolved(*(f"LABEL_{number}" for number in range(100)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("themes: [a]", "see themes"),
        ("sentiment: {bad: 6}", "see sentiment.bad"),
        ("theme: {a: b}", "see theme"),
        ("threshold: 0", "see threshold"),
        ("- a", "see the whole"),
        ("themes: {", "cannot read"),
        ("\x00", "cannot read"),
        ("themes: 2024-13-45", "cannot read"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=told) as refused:
        LabelFile.load(path)
    assert "\n" not in str(refused.value)
    assert "HEED_ANALYSIS_MODEL_LABELS" in str(refused.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        LabelFile.load(tmp_path / "none.yaml")


def test_a_file_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{"sentiment": {"bad": 4}, "threshold": 0.25}', encoding="utf-8")
    assert LabelFile.load(path) == LabelFile(sentiment={"bad": 4}, threshold=0.25)
