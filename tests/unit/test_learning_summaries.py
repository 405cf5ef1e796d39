from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.learning import checker, rendering
from services.learning.amounts import amount, rounded
from services.learning.catalogue import UNROUTED, TeamIdentity
from services.learning.questions import QUESTIONS, Question, bank, choose
from services.learning.quotes import Candidate
from services.learning.readings import Measure
from services.learning.summaries import content_of
from services.learning.wording import TOO_FEW
from shared.summaries import LearningSummary
from shared.themes import THEMES
from tests.unit.learning_samples import (
    LISTENING,
    MANNER,
    NAMES,
    OTHER,
    TEAM,
    VOICES,
    WAITING,
    counts,
    page,
)


def masked(summary: LearningSummary) -> str:
    """The text without quotes and names, which are not our own words."""
    text = summary.text
    for part in (summary.team_name, summary.organisation, "sample-1", *(quote.text for quote in summary.quotes)):
        text = text.replace(part, "…")
    return text


@pytest.mark.parametrize(
    ("count", "told"), [(0, None), (9, None), (10, 10), (12, 10), (13, 15), (17, 15), (18, 20), (1002, 1000)]
)
def test_a_count_is_rounded_to_five_from_ten(count: int, told: int | None) -> None:
    assert rounded(count) == told


@pytest.mark.parametrize(
    ("cell", "whole", "size", "percent"),
    [
        (0, 40, "none", None),
        (1, 40, "few", None),
        (7, 40, "few", None),
        (8, 40, "share", 20),
        (20, 40, "share", 50),
        (32, 40, "share", 80),
        (33, 40, "most", None),
        (39, 40, "most", None),
        (40, 40, "all", None),
        (7, 400, "few", None),
        (8, 400, "some", None),
        (12, 198, "some", None),
        (8, 101, "share", 8),
        (392, 400, "most", None),
        (100, 800, "share", 13),
    ],
)
def test_a_share_never_gives_a_small_number_away(cell: int, whole: int, size: str, percent: int | None) -> None:
    told = amount(cell, whole)

    assert (told.size, told.percent) == (size, percent)


@given(st.integers(10, 5000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_neither_a_share_nor_its_remainder_rests_on_fewer_than_eight(pair: tuple[int, int]) -> None:
    cell, whole = pair
    told = amount(cell, whole)

    if told.size == "share":
        assert min(cell, whole - cell) >= 8
        assert told.percent is not None
        assert abs(told.percent - 100 * cell / whole) <= 0.5


def test_a_small_share_of_many_is_told_as_some() -> None:
    summary = page(counts(198, theme_negative={WAITING: 12}, text={"without": 9}))

    assert "some people" in summary.text
    assert "some responses came without words" in summary.text
    assert "a few people" not in summary.text
    assert checker.check(summary, NAMES) == ()


def test_a_page_of_few_responses_says_so_and_nothing_else() -> None:
    summary = page(counts(9, theme_positive={MANNER: 9}, theme_negative={WAITING: 8}))

    assert not summary.described
    assert summary.heard.responses is None
    assert summary.heard.channels == ()
    assert (summary.valued, summary.better, summary.quotes, summary.questions) == ((), (), (), ())
    assert "fewer than 10 responses" in summary.text
    assert TOO_FEW in summary.text


def test_ten_responses_are_described() -> None:
    assert page(counts(10, theme_positive={MANNER: 9})).described


def test_urgent_voices_count_as_heard_but_do_not_make_a_page_describable() -> None:
    summary = page(counts(40, read={"": 9}, theme_positive={MANNER: 9}))

    assert summary.heard.responses == 40
    assert not summary.described
    assert summary.quotes == ()


def test_sections_come_in_the_order_of_the_rules() -> None:
    headings = [line.text for line in rendering.lines(page()) if line.kind == "heading"]

    assert headings == [
        "Who we heard, and who we didn't",
        "What people valued",
        "What the pattern says",
        "What people told us",
        "Questions to explore",
        "In our gift, or needs others",
        "You said, together we did",
        "How sure are we?",
    ]


def test_themes_are_told_by_how_many_raise_them_and_unspecific_ones_last() -> None:
    positive = {"Positive experience & gratitude": 30, MANNER: 12, LISTENING: 20, "Unheard of": 2}

    summary = page(counts(theme_positive=positive))

    assert [share.theme for share in summary.valued] == [LISTENING, MANNER, "Positive experience & gratitude"]


def test_at_most_three_themes_are_told_of_both_tones() -> None:
    many = dict.fromkeys(list(THEMES)[:8], 9)

    summary = page(counts(theme_positive=many, theme_negative=many))

    assert len(summary.valued) + len(summary.better) == 3
    assert summary.valued
    assert summary.better


def test_what_nobody_praised_is_said() -> None:
    assert "No praise was raised often enough" in page(counts(theme_negative={WAITING: 12})).text


def test_praise_comes_with_a_quote_on_its_theme() -> None:
    quote = page().valued_quote

    assert quote is not None
    assert quote.text == "The nurses were kind and made time for us."
    assert quote.theme == MANNER


def test_what_people_told_us_holds_both_tones() -> None:
    told = [quote.text for quote in page().told]

    assert told[1] == "They listened and explained each step to my mother."
    assert told[0] in {VOICES[1].text, VOICES[3].text}


def test_one_voice_is_quoted_once() -> None:
    said = ("The nurses were kind and made time.", "My mother had warm soup after dark.")
    voices = [Candidate("1", text, 1, (MANNER,)) for text in said]

    assert len(page(voices=voices).quotes) == 1


def test_quotes_that_say_the_same_are_told_once() -> None:
    voices = [Candidate(str(number), "The nurses were kind to us.", 1, (MANNER,)) for number in range(5)]

    assert len(page(voices=voices).quotes) == 1


def test_the_order_of_candidates_does_not_matter() -> None:
    assert page(voices=VOICES[::-1]) == page()


def test_feedback_of_no_team_is_never_quoted() -> None:
    assert page(team=TeamIdentity(UNROUTED, "Nobody yet", "All organisations")).quotes == ()


def test_a_channel_that_few_used_hides_all_channels_shares() -> None:
    summary = page(counts(60, channel={"survey": 40, "paper": 17, "phone": 3}))

    assert [(channel.label, channel.amount) for channel in summary.heard.channels] == [
        ("paper forms", None),
        ("surveys", None),
        ("the phone", None),
    ]


def test_channels_are_told_with_shares_where_all_are_used_by_many() -> None:
    summary = page(counts(60, channel={"survey": 40, "paper": 20}))

    assert "surveys (67%) and paper forms (33%)" in summary.text


def test_a_channel_named_after_a_person_is_told_as_another_way() -> None:
    assert "They came through other ways alone." in page(counts(channel={"Ann Example's blog": 40})).text


def test_age_is_not_spoken_of_below_twenty_responses() -> None:
    assert page(counts(19)).heard.age_unknown is None
    assert page(counts(20)).heard.age_unknown is not None


def test_several_model_versions_are_said() -> None:
    summary = page(counts(model={"sample-1": 30, "sample-2": 10}))

    assert summary.certainty.several_models
    assert "the main one is sample-1" in summary.text


def test_the_same_content_in_another_revision_is_the_same_page() -> None:
    first = page()

    assert content_of(first.model_copy(update={"revision": 9})) == content_of(first)


def test_a_quote_cannot_smuggle_markup_into_markdown() -> None:
    voices = [Candidate("1", "The <b>nurses</b> were *kind* to us all.", 1, (MANNER,))]

    assert "The &lt;b&gt;nurses&lt;/b&gt; were \\*kind\\* to us all." in page(voices=voices).markdown


def test_every_theme_has_words_and_four_questions() -> None:
    assert len(THEMES) == 31
    assert all(len(QUESTIONS[words.group]) == 4 for words in THEMES.values())


def test_the_bank_holds_forty_questions_and_more_of_every_part_of_the_system() -> None:
    assert len(bank()) >= 40
    assert {question.part for question in bank()} == {"people", "tasks", "tools", "surroundings", "organisation"}


@pytest.mark.parametrize("question", bank(), ids=lambda question: question.text[:40])
def test_a_question_is_open_and_about_the_system(question: Question) -> None:
    assert question.text.split()[0] in {"What", "How", "Who"}
    assert question.text.endswith("?")
    assert not re.search(r"\d|\bwhy\b", question.text, re.IGNORECASE)


def test_questions_are_distinct_and_three() -> None:
    assert len(set(choose(["waiting", "waiting", "access"]))) == 3
    assert len(set(choose([]))) == 3


def test_every_theme_and_question_passes_the_checker() -> None:
    names = list(THEMES)
    for start in range(0, len(names), 3):
        themes = dict.fromkeys(names[start : start + 3], 12)
        summary = page(counts(theme_positive=themes, theme_negative=themes))

        assert checker.check(summary, NAMES) == ()
    for question in bank():
        told = page().model_copy(update={"questions": (question.text,)})
        text = {"text": rendering.plain(told), "markdown": rendering.markdown(told)}

        assert checker.check(told.model_copy(update=text), NAMES) == ()


WORDY = TeamIdentity(
    "wordy", "The team with a rather long name of its own for no reason", "An organisation of many words"
)
LONG = "care came with much patience and warmth through all of that long and quiet night for us on each side"


def longest_page(team: TeamIdentity) -> LearningSummary:
    themes = sorted(THEMES, key=lambda theme: -len(THEMES[theme].better.split()))[:3]
    voices = [
        Candidate(str(number), " ".join(f"{word}{'a' * number}" for word in LONG.split()), tone, (theme,))
        for number, (theme, tone) in enumerate([(themes[0], 1), (themes[0], 4), (themes[1], 1), (themes[2], 5)])
    ]
    channels = dict.fromkeys(("survey", "paper", "phone", "website", "care-opinion", "email", "app", "kiosk"), 10)
    return page(
        counts(
            80,
            channel=channels,
            age={"unknown": 40},
            text={"without": 20},
            language={"other": 20},
            model={"sample-1": 40, "sample-2": 40},
            theme_positive=dict.fromkeys(themes, 20),
            theme_negative=dict.fromkeys(themes, 20),
        ),
        voices=voices,
        team=team,
    )


@pytest.mark.parametrize("team", [TEAM, WORDY])
def test_the_longest_page_has_at_most_three_hundred_words(team: TeamIdentity) -> None:
    summary = longest_page(team)

    assert len(summary.text.split()) <= 300
    assert summary.quotes
    assert checker.check(summary, NAMES) == ()


def syllables(word: str) -> int:
    return max(1, len(re.findall(r"[aeiouy]+", re.sub(r"(?<=[^aeiouyl])e$", "", word.lower()))))


@pytest.mark.parametrize("summary", [page(), page(counts(5)), longest_page(TEAM)])
def test_a_page_can_be_read_at_the_age_of_twelve(summary: LearningSummary) -> None:
    """Flesch-Kincaid grade of our own sentences: 7 is the school year of a twelve-year-old."""
    sentences = [
        sentence
        for line in rendering.lines(summary)
        if line.kind in {"sentence", "bullet"}
        for sentence in re.split(r"[.?!:](?:\s|$)", line.text)
        if len(sentence.split()) > 2
    ]
    words = [word for sentence in sentences for word in re.findall(r"[A-Za-z']+", sentence)]

    grade = 0.39 * len(words) / len(sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59

    assert grade <= 7


def test_the_channels_used_least_are_told_together() -> None:
    labels = [channel.label for channel in longest_page(TEAM).heard.channels]

    assert len(labels) == 5
    assert labels[-1] == "other ways"


def table(n: int) -> st.SearchStrategy[dict[Measure, int]]:
    cell = st.integers(0, n)
    themes = st.dictionaries(st.sampled_from(sorted(THEMES)), cell, max_size=5)
    return st.builds(
        lambda read, positive, negative, age, other, phone: counts(
            n,
            read={"": read},
            channel={"survey": n - phone, "phone": phone},
            age={"unknown": age},
            language={"other": other},
            theme_positive=positive,
            theme_negative=negative,
        ),
        cell,
        themes,
        themes,
        cell,
        cell,
        cell,
    )


TABLES = st.one_of(st.integers(0, 60), st.integers(0, 5000)).flatmap(table)


@given(TABLES)
def test_no_number_under_eight_is_ever_written_and_every_page_passes(counted: dict[Measure, int]) -> None:
    summary = page(counted)

    assert all(int(number) >= 8 for number in re.findall(r"\d+", masked(summary)))
    assert checker.check(summary, NAMES) == ()


@given(TABLES)
def test_every_number_in_the_text_is_in_the_payload(counted: dict[Measure, int]) -> None:
    summary = page(counted)
    payload = summary.model_dump_json(exclude={"text", "markdown"})

    assert set(re.findall(r"\d+", summary.text)) <= set(re.findall(r"\d+", payload))


@given(TABLES)
def test_swapping_two_teams_names_gives_the_same_words(counted: dict[Measure, int]) -> None:
    one, other = page(counted, team=TEAM), page(counted, team=OTHER)

    assert one.text.split("\n", 1)[1] == other.text.split("\n", 1)[1]
    assert one.text.replace(TEAM.name, OTHER.name) == other.text


@given(TABLES)
def test_without_a_chart_no_page_speaks_of_change(counted: dict[Measure, int]) -> None:
    assert not re.search(r"improv|worse|declin|better than|more than usual|fewer than usual", masked(page(counted)))
