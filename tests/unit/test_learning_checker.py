from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.learning import checker, language, quotes, rendering
from services.learning.catalogue import TeamIdentity
from services.learning.quotes import Candidate
from shared.summaries import Amount, ChannelHeard, ChartStep, Commitment, LearningSummary, Quote, ThemeShare
from tests.unit.learning_samples import MANNER, NAMES, OTHER, TEAM, page

TABLE = Path(__file__).parent / "data" / "planted_violations.tsv"
SHARE = Amount(size="share", percent=20)


def changed(**fields: Any) -> LearningSummary:
    """A page with other content, rendered anew: the fault is in what it says, not in how it was rendered."""
    summary = page().model_copy(update=fields)
    return summary.model_copy(update={"text": rendering.plain(summary), "markdown": rendering.markdown(summary)})


def rules(summary: LearningSummary) -> set[str]:
    return {violation.rule for violation in checker.check(summary, NAMES, ("Harbour",))}


def test_an_honest_page_passes() -> None:
    assert rules(page()) == set()


PLANTED = [tuple(row.split("\t")) for row in TABLE.read_text(encoding="utf-8").splitlines()[1:]]
"""Rule, place, text: one violation a row."""


def planted_at(place: str, text: str) -> LearningSummary:
    """A page that holds the text there, rendered anew."""
    if place == "quote":
        return changed(told=(Quote(text=text),))
    if place == "reason":
        step = ChartStep(period=date(2026, 5, 1), kind="rebase", reason=text)
        return changed(pattern=page().pattern.model_copy(update={"steps": (step,)}))
    if place in {"because", "role"}:
        made: dict[str, Any] = {"theme": "T", "label": "waits", "state": "cannot_change", "since": date(2026, 5, 1)}
        return changed(commitments=(Commitment(**made, **{place: text}),))
    return changed(questions=(text,))


def test_a_hundred_violations_are_planted_of_every_rule_on_words() -> None:
    assert len(PLANTED) >= 100
    assert {rule for rule, _, _ in PLANTED} >= {rule for rule, _ in checker._PROSE}


@pytest.mark.parametrize(("rule", "place", "text"), PLANTED)
def test_a_planted_violation_is_found(rule: str, place: str, text: str) -> None:
    assert rule in rules(planted_at(place, text))


@pytest.mark.parametrize("text", [text for _, place, text in PLANTED if place == "quote"])
def test_a_quote_that_gives_someone_away_is_never_chosen(text: str) -> None:
    assert page(voices=[Candidate("1", text, 1, (MANNER,))]).quotes == ()


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("because", "the building has one lift"),
        ("because", "of the fire rules for old buildings"),
        ("role", "estates lead"),
        ("reason", "A second triage room"),
    ],
)
def test_what_a_team_may_write(place: str, text: str) -> None:
    assert rules(planted_at(place, text)) == set()


@pytest.mark.parametrize(
    "quote",
    [
        "The food was poor and cold each day.",
        "One nurse was careless with my drip.",
        "It is the best ward I have ever been on.",
        "The wait was unacceptable and we were tired.",
    ],
)
def test_a_quote_that_judges_or_compares_is_no_violation_but_is_not_chosen(quote: str) -> None:
    assert rules(changed(told=(Quote(text=quote),))) == set()
    assert not quotes.quotable(quote)


@pytest.mark.parametrize(
    "quote",
    [
        "nothing really, all good",
        "Can't think of anything.",
        "I can\u2019t think of anything really, sorry.",
        "Nothing",
        "N/A",
        "Same as above",
        "It was all good thank you very much.",
        "Sorry, I don't know what to say.",
        "Nothing nothing nothing nothing at all really.",
        "Kind and warm nurses.",
    ],
)
def test_words_that_say_nothing_are_not_chosen(quote: str) -> None:
    assert not quotes.quotable(quote)


@pytest.mark.parametrize("tone", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "quote",
    [
        "The nurses were kind, but the wait was long.",
        "We waited for hours but the porter was lovely.",
        "The ward was calm. However, the food came cold.",
        "They listened to us, although nobody wrote it down.",
        "Each of them was warm except at night.",
    ],
)
def test_a_quote_that_turns_is_not_chosen_in_any_tone(quote: str, tone: int) -> None:
    assert quotes.usable([Candidate("1", quote, tone, (MANNER,))], NAMES, ()) == []


@pytest.mark.parametrize(
    "quote",
    [
        "It was not a good night for my mother.",
        "The bed was not very nice to lie in.",
        "Sadly the tea came cold twice.",
    ],
)
def test_denied_praise_is_criticism_and_never_told_as_praise(quote: str) -> None:
    chosen = {tone: quotes.usable([Candidate("1", quote, tone, (MANNER,))], NAMES, ()) != [] for tone in (1, 2, 4, 5)}

    assert chosen == {1: False, 2: False, 4: True, 5: True}


@pytest.mark.parametrize(
    "quote", ["They were kind to us.", "The porter found me a blanket.", "We had to wait too long."]
)
def test_short_words_that_say_something_may_be_quoted(quote: str) -> None:
    assert quotes.quotable(quote)


@pytest.mark.parametrize("tone", [1, 5])
def test_praise_and_criticism_go_through_the_same_gate(tone: int) -> None:
    named = Candidate("1", "Asha was there with us all night.", tone, (MANNER,))
    plain = Candidate("2", "The nurses were there with us all night.", tone, (MANNER,))

    assert quotes.usable([named, plain], NAMES, ()) == [plain]


def planted(summary: LearningSummary, **heard: Any) -> LearningSummary:
    return changed(heard=summary.heard.model_copy(update=heard))


@pytest.mark.parametrize(
    ("rule", "summary"),
    [
        ("small_count", planted(page(), responses=6)),
        ("small_count", planted(page(), responses=12)),
        ("small_count", planted(page(), age_unknown=Amount.model_construct(size="share", percent=3))),
        (
            "small_count",
            changed(
                better=(
                    ThemeShare(
                        theme="T",
                        label="waits",
                        group="waiting",
                        amount=Amount.model_construct(size="share", percent=97),
                    ),
                )
            ),
        ),
        ("small_count", planted(page(), without_words=Amount.model_construct(size="few", percent=12))),
        ("described_from_few", planted(page(), responses=None)),
        ("described_from_few", changed(described=False)),
        ("quote_from_few", changed(described=False)),
        ("quote_repeated", changed(told=(Quote(text="The nurses were kind and made time for us."),))),
        (
            "revealing_cell",
            planted(page(), channels=(ChannelHeard(label="surveys", amount=SHARE), ChannelHeard(label="the phone"))),
        ),
        *(
            (
                "revealing_cell",
                planted(
                    page(),
                    channels=(
                        ChannelHeard(label="surveys", amount=SHARE),
                        ChannelHeard(label="the phone", amount=Amount.model_construct(size=size, percent=None)),
                    ),
                ),
            )
            for size in ("few", "some", "most")
        ),
        ("sentence_not_fixed", changed(pattern=page().pattern.model_copy(update={"sentence": "All is calm."}))),
        ("not_from_payload", page().model_copy(update={"text": "All is calm."})),
        ("not_from_payload", page().model_copy(update={"markdown": "All is calm."})),
        ("too_long", changed(questions=("What now and then " * 80,))),
    ],
)
def test_a_payload_that_breaks_a_rule_is_found(rule: str, summary: LearningSummary) -> None:
    assert rule in rules(summary)


def test_markdown_is_read_like_the_text() -> None:
    summary = page()
    tampered = summary.model_copy(update={"markdown": summary.markdown + f"\nHow is {OTHER.name} doing?\n"})

    assert "other_team" in rules(tampered)


def test_every_violation_says_where_and_holds_no_words() -> None:
    told = [str(v) for v in checker.check(changed(questions=("Was Asha careless?",)), NAMES)]

    assert told
    assert not any("Asha" in line or "careless" in line.replace("judgement", "") for line in told)
    assert all(" at " in line for line in told)


@pytest.mark.parametrize(
    "name", ["Top Floor Ward", "Red Team 4", "Best Start improvement team", "What", "Jo's (A) team"]
)
def test_a_teams_own_name_is_no_violation(name: str) -> None:
    summary = page(team=TeamIdentity("t", name, "Blame & Co 3"), names=(name,))

    assert checker.check(summary, (name,)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "The staff were kind. They listened to me.",
        "I think the NHS is great and I'm glad.",
        "The crew came at night and were calm.",
        "Everyone was kind. Nothing was too much.",
        "In May we had to wait on the phone.",
        "My doctor and nurse explained it all.",
    ],
)
def test_ordinary_words_are_not_taken_for_names(text: str) -> None:
    assert quotes.identity_faults(text) == ()


@pytest.mark.parametrize("name", ["Asha", "Élodie", "Ślązak", "Ørsted", "Αθηνά"])
def test_a_capital_of_any_alphabet_may_begin_a_name(name: str) -> None:
    assert language.capitalised_inside(f"we\u2019re glad that {name} was there\u201d") == [name]


def test_a_place_of_the_allow_list_is_no_name() -> None:
    assert language.capitalised_inside("We went to Harbour House", ("Harbour House",)) == []


def test_the_own_team_is_named_in_the_title_only() -> None:
    assert page().text.count(TEAM.name) == 1
