from __future__ import annotations

from typing import Any

import pytest

from services.learning import checker, language, quotes, rendering
from services.learning.catalogue import TeamIdentity
from services.learning.quotes import Candidate
from shared.summaries import Amount, ChannelHeard, LearningSummary, Quote, ThemeShare
from tests.unit.learning_samples import MANNER, NAMES, OTHER, TEAM, page

SHARE = Amount(size="share", percent=20)


def changed(**fields: Any) -> LearningSummary:
    """A page with other content, rendered anew: the fault is in what it says, not in how it was rendered."""
    summary = page().model_copy(update=fields)
    return summary.model_copy(update={"text": rendering.plain(summary), "markdown": rendering.markdown(summary)})


def rules(summary: LearningSummary) -> set[str]:
    return {violation.rule for violation in checker.check(summary, NAMES, ("Harbour",))}


def test_an_honest_page_passes() -> None:
    assert rules(page()) == set()


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("ranking", "How did we rank this month?"),
        ("ranking", "What makes us the best?"),
        ("ranking", "What was the worst shift?"),
        ("ranking", "How do we reach the top?"),
        ("ranking", "What keeps us at the bottom?"),
        ("ranking", "What would lift us in the league table?"),
        ("ranking", "What does the 90th percentile do?"),
        ("ranking", "How far is this from the average?"),
        ("ranking", "What would a higher score take?"),
        ("comparison", "What do other teams do about this?"),
        ("comparison", "How are we doing compared with the past?"),
        ("comparison", "Why do we wait longer than others?"),
        ("traffic_light", "What made this month red?"),
        ("traffic_light", "What turns amber into something else?"),
        ("traffic_light", "How do we stay green?"),
        ("change_in_figures", "Waiting is up 20% here."),
        ("change_in_figures", "Praise fell by 13 % here."),
        ("change_in_figures", "There were 20% more wishes."),
        ("change_in_figures", "It was quieter than last month."),
        ("judgement", "Someone should have called."),
        ("judgement", "We failed to call back."),
        ("judgement", "Staff could have explained."),
        ("judgement", "Food was poor."),
        ("judgement", "The wait was unacceptable."),
        ("judgement", "It was careless."),
        ("judgement", "The care was negligent."),
        ("judgement", "Who is to blame for it?"),
        ("judgement", "Whose fault was it?"),
        ("judgement", "Staff were rude."),
        ("invented_cause", "People waited because of winter."),
        ("invented_cause", "Delays were due to sickness."),
        ("invented_cause", "Delays were caused by new shifts."),
        ("invented_cause", "Waits led to complaints."),
        ("invented_cause", "It went well thanks to new chairs."),
        ("invented_action", "We have introduced a new form."),
        ("invented_action", "The team has changed the rota."),
        ("invented_action", "Staff will call back."),
        ("exhortation", "Everyone must answer the phone."),
        ("exhortation", "Staff should smile."),
        ("exhortation", "Make sure people are told."),
        ("exhortation", "Let us try harder."),
        ("verdict_on_chance", "This is an improvement."),
        ("verdict_on_chance", "Things are getting worse."),
        ("verdict_on_chance", "Well done, all."),
        ("verdict_on_chance", "This is worrying."),
        ("verdict_on_chance", "A disappointing month."),
        ("name", "What did Asha do on that day?"),
        ("name", "What did nurse asha do?"),
        ("name", "How can Dr. Okafor help?"),
        ("singling_role", "What does the ward manager think?"),
        ("singling_role", "How can the matron help?"),
        ("contact_or_placeholder", "What did [name] do?"),
        ("contact_or_placeholder", "How do people reach ward@example.org?"),
        ("other_team", f"What does the {OTHER.name} do?"),
        ("small_count", "Why did 3 people write this?"),
        ("small_count", "What did three people see?"),
        ("small_count", "What did only one see?"),
        ("small_count", "What lies behind the 5 doors?"),
        ("number_not_in_payload", "What did 45 people see?"),
        ("number_not_in_payload", "What about the 12.5 hours?"),
    ],
)
def test_planted_prose_is_found(rule: str, sentence: str) -> None:
    assert rule in rules(changed(questions=(sentence,)))


@pytest.mark.parametrize(
    ("rule", "quote"),
    [
        ("name", "We met Asha on the ward and were glad."),
        ("name", "Asha was kind to us that night."),
        ("name", "The care was good. Asha and Tom helped me."),
        ("name", "Thank you sister mary for your time."),
        ("name", "I saw dr. okafor, who listened to me."),
        ("contact_or_placeholder", "[name] was kind to us that night."),
        ("contact_or_placeholder", "Call me on 07700 900123 about it."),
        ("contact_or_placeholder", "Write to me at me@example.org please."),
        ("age", "My 4 year old was so scared there."),
        ("age", "She is aged 97 and was alone."),
        ("singling_role", "I think the ward manager was not kind."),
        ("singling_role", "We want to thank the matron so much."),
        ("date_and_place", "On 3 May in Harbour the lift fell."),
        ("date_and_place", "Bay 4 on Christmas was cold and dark."),
        ("date_and_place", "We came to ward 12 last night, it was full."),
        ("team_named", f"I think the {OTHER.name.lower()} would do it in another way."),
        ("unprintable", "The nurses were\u202e kind to us all."),
        ("unprintable", "The nurses were\x1b[31m kind to us all."),
    ],
)
def test_a_quote_that_gives_someone_away_is_found_and_never_chosen(rule: str, quote: str) -> None:
    voices = [Candidate("1", quote, 1, (MANNER,))]

    assert rule in rules(changed(told=(Quote(text=quote),)))
    assert page(voices=voices).quotes == ()


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


def test_a_place_of_the_allow_list_is_no_name() -> None:
    assert language.capitalised_inside("We went to Harbour House", ("Harbour House",)) == []


def test_the_own_team_is_named_in_the_title_only() -> None:
    assert page().text.count(TEAM.name) == 1
