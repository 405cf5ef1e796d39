"""Long texts and transcripts: cut, timed, and put together again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analysis.segments import Cue, Spoken, cut, seams, sentences, weighted_mean
from tests.analysis_doubles import FakeEncoded, FakeEncoder, FakeTokeniser, read


def pieces(text: str, room: int) -> list[str]:
    return [text[start:end] for start, end in cut(text, room, FakeTokeniser(room).token_offsets)]


def test_a_text_that_fits_is_one_piece() -> None:
    assert pieces("One two. Three four.", 6) == ["One two. Three four."]


def test_a_long_text_is_cut_at_ends_of_sentences() -> None:
    text = "One two three. Four five. Six seven eight nine."
    assert pieces(text, 7) == ["One two three. Four five. "[:26], "Six seven eight nine."]


def test_else_between_words() -> None:
    assert pieces("a bb ccc dddd eeeee", 2) == ["a bb ", "ccc dddd ", "eeeee"]


def test_else_anywhere() -> None:
    assert "".join(pieces("!" * 50, 8)) == "!" * 50


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_white_space_is_no_piece(text: str) -> None:
    assert pieces(text, 8) == []


@given(st.text(alphabet="ab .!?\n,", max_size=200), st.integers(2, 12))
def test_pieces_are_the_text_and_each_fits(text: str, room: int) -> None:
    found = cut(text, room, FakeTokeniser(room).token_offsets)
    at = 0
    for start, end in found:
        assert text[at:start].strip() == ""
        assert len(FakeTokeniser(room).token_offsets(text[start:end])) <= room
        at = end
    assert text[at:].strip() == ""


@given(st.text(alphabet="ab .\n", max_size=60), st.integers(2, 6), st.integers(1, 20))
def test_a_seam_is_whole_words_on_both_sides_of_a_cut_amid_a_sentence(text: str, room: int, reach: int) -> None:
    pieces = cut(text, room, FakeTokeniser(room).token_offsets)
    for start, end in seams(text, pieces, reach):
        assert text[start - 1] == text[end] == " "
        (at,) = [at for _, at in pieces if start < at < end]
        assert not text[:at].rstrip().endswith((".", "!", "?"))
        assert at - reach <= start < end <= at + reach + 1


class Apart(FakeEncoder):
    """Knows a surname only behind the first name."""

    def _encoded(self, text: str, kind: str) -> FakeEncoded:
        self.names["Ward"] = 0.9 if "Bronwen Ward" in text else 0.0
        return super()._encoded(text, kind)


@pytest.mark.parametrize("before", range(58, 68))
def test_a_name_that_is_cut_is_read_once_more(before: int) -> None:
    reading = read(f"{'so ' * before}Bronwen Ward was there and it went well in the end you know", Apart(room=64))
    assert len(reading.segments) > 1
    assert "Ward" not in reading.redacted_text
    assert reading.counts == {"name": 1}


def test_cues_are_read_as_one_text_with_times() -> None:
    spoken = Spoken.of(
        "A film.", [Cue(0, 2, "My nurse was Bronwen"), Cue(2, 5.5, "Okafor and she"), Cue(6, 7, "sang.")]
    )
    assert spoken.text == "A film.\n\nMy nurse was Bronwen Okafor and she sang. "
    assert spoken.times(0, 7) == (None, None)
    assert spoken.times(0, 12) == (0, 2)
    assert spoken.times(8, len(spoken.text)) == (0, 7)
    assert spoken.times(30, 34) == (2, 5.5)


@pytest.mark.parametrize(
    ("cues", "times"),
    [
        (
            (Cue(0, 2, " The nurse was kind to all of us."), Cue(50, 52, " The food was cold and late.")),
            [(0, 2), (50, 52)],
        ),
        ((Cue(0, 2, ""), Cue(2, 4, "The nurse was kind to all of us."), Cue(4, 60, "")), [(2, 4)]),
    ],
    ids=["blanks before the words", "cues without words"],
)
def test_blanks_of_other_cues_do_not_count_for_the_time(cues: tuple[Cue, ...], times: list[tuple[int, int]]) -> None:
    assert [(segment.start_seconds, segment.end_seconds) for segment in read("", cues=cues).segments] == times


def test_a_captions_two_lines_are_one() -> None:
    spoken = Spoken.of("", [Cue(0, 4, "ring me on oh seven\r\nseven oh oh")])
    assert spoken.text == "ring me on oh seven  seven oh oh "


@pytest.mark.parametrize("title", ["Dr.", "mrs.", "Prof.", "St."])
def test_the_stop_of_a_title_ends_no_sentence(title: str) -> None:
    text = f"It was good. I saw {title} Old who was kind. Thanks."
    found = sentences(text, [(0, len(text))], [])
    assert [text[start:end] for start, end in found] == [f"It was good. I saw {title} Old who was kind. ", "Thanks."]


def test_a_name_across_two_cues_is_one_name() -> None:
    reading = read("", cues=(Cue(0, 2, "My nurse was Bronwen"), Cue(2, 4, "Okafor and she was kind.")))
    assert [(s.text, s.start_seconds, s.end_seconds) for s in reading.segments] == [
        ("My nurse was [name] and she was kind.", 0, 4)
    ]
    assert reading.counts == {"name": 1}


SAID = "The nurses were so kind to me. Yes. But then the wait was very long. Thanks."


def test_what_was_spoken_is_read_by_the_sentence_each_with_its_second() -> None:
    """Of the whole nothing changes: its themes and its tone are of all that was said together."""
    cues = (
        Cue(1, 3, "The nurses were so kind"),
        Cue(3, 4, "to me. Yes. But then"),
        Cue(4, 9, "the wait was very long. Thanks."),
    )
    spoken = read("", cues=cues)
    assert [(s.text, s.start_seconds, s.end_seconds) for s in spoken.segments] == [
        ("The nurses were so kind to me.", 1, 4),
        ("Yes. But then the wait was very long.", 3, 9),
        ("Thanks.", 4, 9),
    ]
    assert [segment.impression.label for segment in spoken.segments[:2]] == [1, 5]
    assert [[name for name, _ in segment.impression.themes] for segment in spoken.segments] == [
        ["Staff manner"],
        ["Waiting"],
        [],
    ]
    written = read(SAID)
    assert len(written.segments) == 1, "what was written is read as it was"
    assert (spoken.impression, spoken.severity) == (written.impression, written.severity)


def test_captions_without_a_full_stop_are_read_between_cues() -> None:
    words = [f"word{number}" for number in range(60)]
    text = " ".join(words)
    cues = [text.index(words[number]) for number in range(0, 60, 7)]
    found = sentences(text, [(0, len(text))], cues)
    assert [len(text[start:end].split()) for start, end in found] == [21, 21, 18]
    assert {start for start, _ in found} <= set(cues)


@given(
    st.lists(st.sampled_from(["Yes.", "no", "kind", "wait!", "\n", " ", "a"]), max_size=80).map(" ".join),
    st.integers(1, 30),
    st.sets(st.integers(0, 300)),
)
def test_sentences_are_the_text_and_lie_within_its_pieces(text: str, room: int, cues: set[int]) -> None:
    pieces = cut(text, room, FakeTokeniser(room).token_offsets)
    found = sentences(text, pieces, sorted(cues))
    at = 0
    for start, end in found:
        assert text[at:start].strip() == ""
        assert any(first <= start < end <= last for first, last in pieces)
        at = end
    assert text[at:].strip() == ""


def test_a_talk_of_hours_is_read_by_the_window() -> None:
    text = "They were very kind indeed. " * 1_001
    assert sentences(text, [(0, len(text))], []) == []
    assert len(sentences(text[28:], [(0, len(text) - 28)], [])) == 1_000


def test_longer_segments_weigh_more() -> None:
    assert weighted_mean([[1.0, 0.0], [0.0, 1.0]], [30, 10]) == [0.75, 0.25]


def test_the_whole_has_the_themes_of_its_parts_and_their_mean_sentiment() -> None:
    text = "The nurses were so kind to me. " + "But the wait was long and cold. " * 3
    reading = read(text, FakeEncoder(room=8))
    assert len(reading.segments) == 4
    assert [segment.impression.label for segment in reading.segments] == [1, 5, 5, 5]
    assert [{name for name, _ in segment.impression.themes} for segment in reading.segments[:2]] == [
        {"Staff manner"},
        {"Waiting"},
    ]
    assert reading.impression is not None
    assert reading.impression.label == 5
    assert {name for name, _ in reading.impression.themes} == {"Staff manner", "Waiting"}
    assert sum(reading.impression.probabilities) == pytest.approx(1, abs=0.001)


def test_an_identifier_across_two_segments_is_taken_out_of_both() -> None:
    reading = read("one two three four five six 07700 900 123 seven eight", FakeEncoder(room=7))
    assert len(reading.segments) == 2
    assert (
        " | ".join(segment.text for segment in reading.segments) == "one two three four five six [phone] | seven eight"
    )
