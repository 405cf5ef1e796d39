"""From captions to a transcript: words alone, times kept, limits held."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.media.captions import read, written
from services.media.cues import LONGEST_JOINED, MOST_CUES, MOST_SEGMENTS, Cue, plain, transcript, without_overlaps
from services.media.reasons import Reason, Refused
from services.media.signatures import Format
from shared.events import MAX_TEXT

SRT = (
    "1\r\n00:00:01,500 --> 00:00:03,000\r\n<i>The</i> nurses were kind\r\n\r\n"
    "2\r\n00:00:04,000 --> 00:00:05,250\r\nCaf\u00e9\r\n"
)
WORD = st.text("abc<>&;/ {}\\\u200b\x00\n", max_size=12)
MOMENT = st.floats(0, 200, allow_nan=False) | st.sampled_from([float("nan"), float("inf"), -1.0, 90_000.0])


def of(tmp_path: Path, content: bytes, format_: Format = Format.VTT) -> list[Cue]:
    path = tmp_path / "captions"
    path.write_bytes(content)
    return read(path, format_)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<v Dr Smith>The nurses</v> were <b>kind</b>", "The nurses were kind"),
        ("kind<script>alert(1)</script> staff", "kind staff"),
        ("&lt;img src=x onerror=alert(1)&gt;kind", "kind"),
        ("{\\an8}kind", "kind"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("tea &amp; toast", "tea & toast"),
        ("<00:00:01.000><c> kind</c>", "kind"),
        ("k\u200bi\u202end\x00", "kind"),
        (" two\nlines ", "two lines"),
    ],
)
def test_words_alone_are_kept(text: str, words: str) -> None:
    assert plain(text) == words


def test_webvtt_is_read_with_its_times_and_without_notes_and_styles(tmp_path: Path) -> None:
    content = (
        b"WEBVTT - Jane\n\nSTYLE\n::cue { color: red }\n\nNOTE by Jane\n\nid\n00:01.500 --> 00:03.000 line:0\nkind\n"
    )
    assert of(tmp_path, content) == [Cue(1.5, 3.0, "kind")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_subrip_is_read_in_the_encodings_it_comes_in(tmp_path: Path, encoding: str) -> None:
    cues = of(tmp_path, SRT.encode(encoding), Format.SRT)
    assert [(cue.start, cue.end, plain(cue.text)) for cue in cues] == [
        (1.5, 3.0, "The nurses were kind"),
        (4.0, 5.25, "Caf\u00e9"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"WEBVTT\n\n", Reason.CAPTIONS_UNREADABLE),
        (b"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n\xff\xfe\n", Reason.CAPTIONS_UNREADABLE),
        (b"WEBVTT\n\n" + b"00:00:00.000 --> 00:00:01.000\nkind\n\n" * (MOST_CUES + 1), Reason.TOO_MANY_CUES),
        (b"WEBVTT\n\n" + b"x" * 5_000_000, Reason.TOO_MANY_CUES),
    ],
    ids=["empty", "not UTF-8", "many cues", "large"],
)
def test_captions_that_are_no_use_are_refused(tmp_path: Path, content: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        of(tmp_path, content)
    assert refused.value.reason is reason


def test_captions_that_roll_up_are_told_once_and_keep_their_times() -> None:
    lines = [f"line {number} here" for number in range(12)]
    rolling = [
        Cue(float(number), number + 2.5, "\n".join(lines[max(0, number - 1) : number + 1])) for number in range(12)
    ]
    segments = transcript(rolling, MAX_TEXT)
    assert " ".join(segment.text for segment in segments) == " ".join(lines)
    assert len(segments) > 1
    assert all(segment.end - segment.start <= LONGEST_JOINED for segment in segments)


def test_two_who_speak_at_once_are_joined() -> None:
    assert without_overlaps([Cue(1, 3, "it was cold"), Cue(2, 4, "and we waited")]) == [
        Cue(1, 4, "it was cold and we waited")
    ]


def test_more_cues_than_segments_are_joined_and_no_word_is_lost() -> None:
    cues = [Cue(number, number + 0.5, f"w{number}") for number in range(MOST_SEGMENTS * 3)]
    segments = transcript(cues, MAX_TEXT)
    assert len(segments) == MOST_SEGMENTS
    assert " ".join(segment.text for segment in segments).split() == [cue.text for cue in cues]
    assert segments[1] == Cue(3, 5.5, "w3 w4 w5")


def test_more_words_than_a_transcript_may_have_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        transcript([Cue(0, 1, "x" * 101)], 100)
    assert refused.value.reason is Reason.TRANSCRIPT_TOO_LONG


@given(st.lists(st.builds(Cue, MOMENT, MOMENT, WORD), max_size=40))
def test_a_transcript_is_in_order_without_overlaps_and_of_words(cues: list[Cue]) -> None:
    segments = transcript(cues, MAX_TEXT)
    assert all(0 <= segment.start <= segment.end <= 86_400 for segment in segments)
    assert all(one.end <= following.start for one, following in pairwise(segments))
    assert all(segment.text and segment.text == " ".join(segment.text.split()) for segment in segments)


@given(
    st.lists(st.builds(Cue, st.floats(0, 86_000), st.just(86_400.0), st.text("ab<>&;- \n", max_size=20)), max_size=8)
)
def test_clean_captions_read_as_what_they_were_written_from(
    tmp_path_factory: pytest.TempPathFactory, cues: list[Cue]
) -> None:
    segments = transcript(cues, MAX_TEXT)
    if not segments:
        return
    found = of(tmp_path_factory.mktemp("captions"), written(segments).encode())
    assert [plain(cue.text) for cue in found] == [plain(segment.text) for segment in segments]
    assert all(abs(cue.start - segment.start) < 0.001 for cue, segment in zip(found, segments, strict=True))
