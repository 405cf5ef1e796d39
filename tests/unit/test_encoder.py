"""The encoder: same answers whatever the batch, offsets in the given text, and one-line errors."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analysis.encoder import (
    CASE_CAPITAL,
    CASE_LOWER,
    CASE_OTHER,
    CASE_UPPER,
    MODEL_FILES,
    MODEL_FOLDER,
    NAME_FLOOR,
    WORD,
    Encoded,
    Encoder,
    name_words,
    sha256_of,
    token_words,
    word_case,
    words_of,
)
from services.analysis.network import (
    MOST_STREAMS,
    OUTPUTS,
    ModelError,
    computes_bf16,
    full_count,
    padded_count,
    padded_length,
    token_batches,
)
from services.analysis.word_model import WordModel, gram_keys

TEXTS = [
    "Nothing.",
    "The nurse Agnieszka Kowalska was kind but we waited four hours and nobody told us why.",
    "",
    "Thank you to sister mary and Dr O'Brien \N{GRINNING FACE}",
    "Parking is dear, the food was cold and the ward was noisy at night. " * 30,
    "ok",
    "I rang nine times and no one answered the telephone.",
    "\N{GRINNING FACE}\N{GRINNING FACE}",
    "The driver was on time, friendly and helped me to the door.",
]
COUNTS = [(1 + length // 4, length) for length in range(1, 60, 3)]
QUESTIONS = ["what_good", "could_improve", "nonspecific"] * 3


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture(scope="module")
def together(encoder: Encoder) -> list[Encoded]:
    return encoder.run(TEXTS, QUESTIONS)


def decided(encoder: Encoder, encoded: Encoded) -> tuple[list[bool], int, bool, list[tuple[int, int]]]:
    """What downstream acts on: theme flags, sentiment class, top severity, words to redact."""
    return (
        (encoded.theme_probabilities >= encoder.theme_thresholds).tolist(),
        int(encoded.sentiment_probabilities.argmax()),
        encoded.severity >= encoder.severity_threshold,
        [(start, end) for start, end, probability in encoded.name_tokens if probability >= encoder.name_threshold],
    )


def assert_alike(encoder: Encoder, one: Encoded, other: Encoded) -> None:
    """The same decisions, and every number to 1e-5."""
    assert decided(encoder, one) == decided(encoder, other)
    np.testing.assert_allclose(one.theme_probabilities, other.theme_probabilities, atol=1e-5)
    np.testing.assert_allclose(one.sentiment_probabilities, other.sentiment_probabilities, atol=1e-5)
    assert one.severity == pytest.approx(other.severity, abs=1e-5)
    np.testing.assert_allclose(one.name_tokens, other.name_tokens, atol=1e-5)


def test_shapes_and_ranges(encoder: Encoder, together: list[Encoded]) -> None:
    for encoded in together:
        assert encoded.theme_probabilities.shape == (len(encoder.theme_names),)
        assert encoded.sentiment_probabilities.shape == (5,)
        assert encoded.sentiment_probabilities.sum() == pytest.approx(1, abs=1e-4)
        assert 0 <= encoded.severity <= 1
        assert all(NAME_FLOOR <= probability <= 1 for *_, probability in encoded.name_tokens)
    assert len(encoder.theme_thresholds) == len(encoder.theme_names)


def test_alone_and_in_a_batch_give_the_same(encoder: Encoder, together: list[Encoded]) -> None:
    for text, question, batched in zip(TEXTS, QUESTIONS, together, strict=True):
        assert_alike(encoder, encoder.run([text], [question])[0], batched)


@pytest.mark.parametrize("rows", [5, 7, 21, 66])
def test_a_full_pass_gives_what_a_text_alone_gets(encoder: Encoder, rows: int) -> None:
    texts = [f"On day {number} they were kind but I waited too long." for number in range(rows)]
    questions = ["could_improve"] * rows
    (batch, batched), *more = encoder.begin(texts, questions)
    assert (sorted(batch), more) == (list(range(rows)), []), "all share one pass"
    for row, text in list(zip(batch, texts, strict=True))[:: max(1, rows // 5)]:
        assert_alike(encoder, encoder.run([text], ["could_improve"])[0], batched[batch.index(row)])


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_value_that_is_no_number_is_told(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    encoder = Encoder(threads=1)
    network = encoder._network

    def broken(*inputs: Any) -> list[Any]:
        answers = list(network(*inputs))
        answers[OUTPUTS.index(output)][-1] = np.nan
        return answers

    monkeypatch.setattr(encoder, "_network", broken)
    with pytest.raises(ValueError, match="no number"):
        encoder.run(["They were kind."], ["nonspecific"])


def test_names_are_known_by_a_possessive_without_its_apostrophe_too(encoder: Encoder) -> None:
    assert {"sarah", "sarahs", "ann"} <= encoder.known_names
    assert "anns" not in encoder.known_names


def test_what_nobody_waits_for_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, let_go = Encoder(threads=1), threading.Event()
    network, calls, computed = encoder._network, encoder._network.calls, list[int]()

    def held(*inputs: Any) -> Any:
        computed.append(len(inputs[0]))
        assert len(computed) == 1 or let_go.wait(10)
        return network(*inputs)

    monkeypatch.setattr(encoder, "_network", held)
    passes = encoder.begin(["They were kind. " * length for length in range(1, 30)], ["nonspecific"] * 29)
    next(passes)
    del passes
    let_go.set()
    encoder.run(["They were kind."], ["nonspecific"])
    assert len(computed) <= 2 + calls


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_no_batch_mate_changes_an_answer(precision: str) -> None:
    if precision == "bf16" and not computes_bf16():
        pytest.skip("this processor does not compute in bf16")
    encoder = Encoder(precision=precision)
    texts = [" ".join(["They were kind but I waited too long."] * count)[: 9 * length] for count, length in COUNTS]
    batched = encoder.run(texts, ["could_improve"] * len(texts))
    for text, one in zip(texts, batched, strict=True):
        alone = encoder.run([text], ["could_improve"])[0]
        np.testing.assert_allclose(alone.theme_probabilities, one.theme_probabilities, atol=1e-5)
        np.testing.assert_allclose(alone.sentiment_probabilities, one.sentiment_probabilities, atol=1e-5)


def test_the_number_of_streams_changes_no_answer() -> None:
    texts = [" ".join(["They were kind but I waited too long."] * count)[: 9 * length] for count, length in COUNTS]
    one, several = (
        Encoder(threads=threads).run(texts, ["could_improve"] * len(texts)) for threads in (1, MOST_STREAMS)
    )
    for alone, beside in zip(one, several, strict=True):
        assert alone.theme_probabilities.tolist() == beside.theme_probabilities.tolist()
        assert alone.name_tokens == beside.name_tokens


def test_several_batches_may_be_under_way(encoder: Encoder, together: list[Encoded]) -> None:
    first, second = (encoder.begin(TEXTS[part], QUESTIONS[part]) for part in (slice(4), slice(4, None)))
    found = {4 + row: one for rows, encoded in second for row, one in zip(rows, encoded, strict=True)}
    found |= {row: one for rows, encoded in first for row, one in zip(rows, encoded, strict=True)}
    for row, one in enumerate(together):
        np.testing.assert_allclose(one.theme_probabilities, found[row].theme_probabilities, atol=1e-5)


def test_a_text_whose_length_was_asked_for_is_read_the_same(encoder: Encoder, together: list[Encoded]) -> None:
    for text in TEXTS:
        encoder.tokeniser.token_offsets(text)
    for one, other in zip(together, encoder.run(TEXTS, QUESTIONS), strict=True):
        assert one.theme_probabilities.tolist() == other.theme_probabilities.tolist()


def test_results_come_in_input_order(encoder: Encoder, together: list[Encoded]) -> None:
    turned = encoder.run(TEXTS[::-1], QUESTIONS[::-1])[::-1]
    for one, other in zip(together, turned, strict=True):
        np.testing.assert_allclose(one.theme_probabilities, other.theme_probabilities, atol=1e-5)


def test_a_repeated_run_gives_the_very_same_numbers(encoder: Encoder, together: list[Encoded]) -> None:
    again = encoder.run(TEXTS, QUESTIONS)
    for one, other in zip(together, again, strict=True):
        assert one.theme_probabilities.tolist() == other.theme_probabilities.tolist()
        assert one.name_tokens == other.name_tokens


def test_names_are_found_at_their_offsets(encoder: Encoder, together: list[Encoded]) -> None:
    text = TEXTS[1]
    found = {
        text[start:end] for start, end, probability in together[1].name_tokens if probability >= encoder.name_threshold
    }
    assert found == {"Agnieszka", "Kowalska"}


def test_the_question_changes_the_meaning_of_nothing(encoder: Encoder) -> None:
    good, improve = encoder.run(["Nothing.", "Nothing."], ["what_good", "could_improve"])
    assert good.sentiment_probabilities.argmax() > improve.sentiment_probabilities.argmax()


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "a", "\u200b\u200d", "\U0001f600" * 50, "x" * 100_000, "word " * 20_000]
)
def test_odd_texts_are_read(encoder: Encoder, text: str) -> None:
    assert len(encoder.run([text], ["nonspecific"])) == 1


def test_an_unknown_question_type_reads_as_nonspecific(encoder: Encoder) -> None:
    one, other = encoder.run(["Very good.", "Very good."], ["something_else", "nonspecific"])
    assert one.theme_probabilities.tolist() == other.theme_probabilities.tolist()


def test_no_texts_give_no_results(encoder: Encoder) -> None:
    assert encoder.run([], []) == []


def test_lists_of_different_length_are_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="2 texts but 1 question types"):
        encoder.run(["a", "b"], ["nonspecific"])


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.json is missing; run `make train`"):
        Encoder(tmp_path)


@pytest.mark.parametrize("text", ["{}", "[" * 100_000, '{"version": "1", "max_tokens": Infinity}', "\0"])
def test_a_damaged_description_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="not a model description of this version"):
        Encoder(tmp_path)


@pytest.mark.parametrize(
    ("there", "missing"),
    [(("tokenizer.json",), r"words\.npz is missing"), (("tokenizer.json", "words.npz"), r"names\.txt is missing")],
)
def test_a_missing_part_is_named(there: tuple[str, ...], missing: str, tmp_path: Path) -> None:
    for name in ("model.json", *there):
        (tmp_path / name).write_bytes((MODEL_FOLDER / name).read_bytes())
    with pytest.raises(ModelError, match=missing):
        Encoder(tmp_path)


@pytest.mark.parametrize("damaged", MODEL_FILES)
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "one bit"])
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, damaged: str, cut: bool) -> None:
    for path in MODEL_FOLDER.iterdir():
        (tmp_path / path.name).symlink_to(path)
    whole = (MODEL_FOLDER / damaged).read_bytes()
    middle = len(whole) // 2
    (tmp_path / damaged).unlink()
    (tmp_path / damaged).write_bytes(
        whole[:middle] + (b"" if cut else bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    )
    with pytest.raises(ModelError, match=rf"{damaged} is missing or damaged; restore it") as told:
        Encoder(tmp_path)
    assert "\n" not in str(told.value)


def test_a_network_that_cannot_be_compiled_is_told_in_one_line(tmp_path: Path) -> None:
    for path in MODEL_FOLDER.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "network.xml").unlink()
    (tmp_path / "network.xml").write_text("<net/>", encoding="utf-8")
    description = json.loads((MODEL_FOLDER / "model.json").read_text(encoding="utf-8"))
    description["sha256"]["network.xml"] = sha256_of(tmp_path / "network.xml")
    (tmp_path / "model.json").unlink()
    (tmp_path / "model.json").write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(ModelError, match=r"OpenVINO cannot compile .*network\.xml") as told:
        Encoder(tmp_path)
    assert "\n" not in str(told.value)


def test_bf16_is_not_imitated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.analysis.encoder.computes_bf16", lambda: False)
    with pytest.raises(ModelError, match="set HEED_ANALYSIS_PRECISION to auto or f32"):
        Encoder(precision="bf16")


def test_the_word_model_reads_each_text_for_itself(encoder: Encoder) -> None:
    words = WordModel.load(MODEL_FOLDER / "words.npz")
    items = encoder.tokeniser(TEXTS, QUESTIONS)
    themes, sentiment = words(items)
    assert themes.shape == (len(TEXTS), len(encoder.theme_names))
    np.testing.assert_allclose(sentiment.sum(axis=1), 1, atol=1e-5)
    for row, item in enumerate(items):
        alone = words([item])
        assert alone[0][0].tolist() == themes[row].tolist()
        assert alone[1][0].tolist() == sentiment[row].tolist()


def test_the_word_model_weighs_rare_grams_and_repeats(encoder: Encoder) -> None:
    item = encoder.tokeniser(["parking parking"], ["nonspecific"])[0]
    _, keys = gram_keys([item])
    parking = keys[item.lead - 1]
    words = WordModel(
        keys=np.array([parking]),
        rarity=np.array([3.0], dtype=np.float32),
        weights=np.array([[2.0, 0, 0, 0, 0, 1.0]], dtype=np.float32),
        bias=np.array([-1.0, 0, 0, 0, 0, 0], dtype=np.float32),
        share=0.5,
    )
    themes, sentiment = words([item])
    assert themes[0, 0] == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert sentiment[0, 4] == pytest.approx(np.e / (np.e + 4))


def test_the_artefact_fits_the_repository() -> None:
    assert sum(path.stat().st_size for path in MODEL_FOLDER.iterdir()) < 50_000_000
    assert "MIT" in (MODEL_FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert (
        json.loads((MODEL_FOLDER / "model.json").read_text(encoding="utf-8"))["sentiment_labels"]["1"]
        == "very positive"
    )


@given(st.text(st.characters(max_codepoint=127)))
def test_the_words_of_plain_english_are_those_of_any_text(text: str) -> None:
    assert words_of(text) == [match.span() for match in WORD.finditer(text)]


def test_words_keep_inner_marks_and_drop_a_possessive() -> None:
    text = "Gr\u200bace's O\u2019Brien, anne-marie (NHS) e\u0301va!"
    assert [text[start:end] for start, end in words_of(text)] == [
        "Gr\u200bace",
        "s",
        "O\u2019Brien",
        "anne-marie",
        "NHS",
        "e\u0301va",
    ]


def test_word_case() -> None:
    cases = [word_case(word) for word in ("nurse", "Mary", "MARY", "I", "123", "maIn")]
    assert cases == [CASE_LOWER, CASE_CAPITAL, CASE_UPPER, CASE_CAPITAL, CASE_OTHER, CASE_LOWER]


def test_tokens_are_given_to_the_words_that_they_overlap() -> None:
    assert token_words([(0, 4), (6, 9)], [(0, 2), (2, 4), (4, 5), (6, 9), (9, 10)]) == [0, 0, -1, 1, -1]


def test_batches_stay_within_the_budget_and_hold_every_text_once() -> None:
    lengths = [5, 300, 7, 7, 12, 2, 90]
    batches = token_batches(lengths, 64)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        widths = {padded_length(lengths[index]) for index in batch}
        assert len(widths) == 1
        assert len(batch) == 1 or len(batch) * max(widths) <= 64
    tokens = [len(batch) * padded_length(lengths[batch[0]]) for batch in batches]
    assert tokens == sorted(tokens, reverse=True)


def test_a_pass_has_one_of_few_numbers_of_rows_and_few_empty_ones() -> None:
    rows = [padded_count(count) for count in range(1, 257)]
    assert all(count <= padded <= count * 1.25 for count, padded in enumerate(rows, start=1))
    assert rows == sorted(rows)
    assert len(set(rows)) <= 40


def test_a_full_pass_has_no_empty_row() -> None:
    batches = token_batches([20] * 100, 2048, full_count)
    assert [len(batch) for batch in batches] == [80, 20], "85 would have room, in a pass of 96 rows"
    for most in range(1, 257):
        assert padded_count(full_count(most)) == full_count(most) <= most < full_count(most) * 1.25


def test_a_word_is_as_likely_a_name_as_its_most_likely_token(encoder: Encoder) -> None:
    item = encoder.tokeniser(["Agnieszka waved"], ["nonspecific"])[0]
    probabilities = np.zeros(len(item.ids), dtype=np.float32)
    probabilities[item.lead + 1] = 0.5
    assert name_words(item, probabilities) == [(0, 9, 0.5)]
