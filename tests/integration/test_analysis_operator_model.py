"""A Hugging Face model of the operator's own: what it has labels for is its, all else stays as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deploy.commands import analyse
from services.analysis.app import build_reader, running
from services.analysis.operator_model import Classifier
from services.analysis.reader import Reader, Reading, Submission
from services.analysis.settings import AnalysisSettings
from shared.cloudevents import decode
from shared.errors import UsageError
from shared.events import FeedbackAnalysed
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED
from tests.doubles import RememberingPublisher, raw, submitted

torch = pytest.importorskip("torch", reason="needs the extra `torch`")
transformers = pytest.importorskip("transformers", reason="needs the extra `torch`")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "nurse", "nurses", "was", "kind", "but", "we", "hours", ".")
SENTIMENT = ("very positive", "positive", "neutral", "negative", "very negative")
POSITIONS = 66
TEXTS = [
    "The nurse was kind.",
    "We waited hours, but the nurses were kind. " * 12,
    "Sister Bronwen Okafor was so kind. Ring me on 07700 900123.",
    "food cold",
    "ok",
    "It is disgraceful: my father was abused on the ward and nobody came.",
]


def model(
    folder: Path,
    labels: Sequence[str],
    *,
    answer: str | None = None,
    problem: str = "single_label_classification",
    headless: bool = False,
) -> Path:
    """A network of two layers with chance weights; where there is an `answer`, it says that of every text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=POSITIONS, id2label=dict(enumerate(labels)), problem_type=problem,
    )  # fmt: skip
    network = (transformers.BertModel if headless else transformers.BertForSequenceClassification)(config)
    if not headless:
        network.classifier.weight.data.mul_(20)
    if answer is not None:
        network.classifier.weight.data.zero_()
        network.classifier.bias.data.copy_(torch.tensor([4.0 if label == answer else -4.0 for label in labels]))
    network.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    return folder


def reader(folder: Path, labels: Path | None = None) -> Reader:
    return build_reader(AnalysisSettings(analysis_model=str(folder), analysis_model_labels=labels))


def read(by: Reader, texts: Sequence[str]) -> list[Reading]:
    found = by.read([Submission(str(n), text, consent_to_quote=True) for n, text in enumerate(texts)])
    readings = [reading for reading in found if isinstance(reading, Reading)]
    assert len(readings) == len(texts)
    return readings


@pytest.fixture(scope="module")
def ours() -> list[Reading]:
    return read(build_reader(AnalysisSettings()), TEXTS)


def guarded(reading: Reading) -> tuple[Any, ...]:
    """What no operator's model may change."""
    return (reading.redacted_text, reading.redactions, reading.severity, reading.urgent, reading.quote_ok)


def test_a_model_of_sentiment_decides_sentiment_alone(tmp_path: Path, ours: list[Reading]) -> None:
    theirs = read(reader(model(tmp_path / "mood", ("NEGATIVE", "POSITIVE"), answer="NEGATIVE")), TEXTS)
    for one, other in zip(ours, theirs, strict=True):
        assert guarded(one) == guarded(other)
        assert one.impression is not None
        assert other.impression is not None
        assert one.impression.themes == other.impression.themes
        assert other.impression.label == 4
        assert other.impression.probabilities == pytest.approx((0, 0.0003, 0, 0.9997, 0), abs=1e-4)
        assert other.model_version.startswith("mood-")
        assert other.model_version.endswith(f"+{one.model_version}")


def test_a_model_of_themes_decides_themes_alone(tmp_path: Path, ours: list[Reading]) -> None:
    folder = model(tmp_path, ("parking", "timeliness of care"), answer="parking", problem="multi_label_classification")
    for one, other in zip(ours, read(reader(folder), TEXTS), strict=True):
        assert guarded(one) == guarded(other)
        assert one.impression is not None
        assert other.impression is not None
        assert one.impression.probabilities == other.impression.probabilities
        assert [name for name, _ in other.impression.themes] == ["Parking"]


def test_a_mapping_file_says_what_labels_mean(tmp_path: Path) -> None:
    labels = tmp_path / "labels.yaml"
    labels.write_text("{themes: {q: Queues}, sentiment: {b: 5, g: 1}, threshold: 0.99}", encoding="utf-8")
    folder = model(tmp_path / "m", ("q", "g", "b"), answer="b", problem="multi_label_classification")
    (first,) = read(reader(folder, labels), ["We waited."])
    assert first.impression is not None
    assert (first.impression.label, first.impression.themes) == (5, ())
    labels.write_text("{themes: {b: Queues}, ignore: [q, g], threshold: 0.9}", encoding="utf-8")
    (second,) = read(reader(folder, labels), ["We waited."])
    assert second.impression is not None
    assert second.impression.themes == (("Queues", 0.982),)
    assert first.model_version != second.model_version, "other readings of a version must be other events"


def test_company_does_not_change_a_reading(tmp_path: Path) -> None:
    by = reader(model(tmp_path, SENTIMENT))
    together = read(by, TEXTS * 3)
    assert len({reading.impression.probabilities for reading in together if reading.impression}) > 3
    for number, text in enumerate(TEXTS):
        (alone,) = read(by, [text])
        assert alone.impression == together[number].impression == together[number + 2 * len(TEXTS)].impression


def test_the_same_model_has_the_same_version_and_other_weights_another(tmp_path: Path) -> None:
    versions = [
        reader(model(tmp_path / place / "m", SENTIMENT, answer=answer)).model_version
        for place, answer in (("a", "neutral"), ("b", "neutral"), ("c", "negative"))
    ]
    assert versions[0] == versions[1] != versions[2]


def test_a_text_over_its_window_is_read_to_the_end(tmp_path: Path) -> None:
    classifier = Classifier(str(model(tmp_path, SENTIMENT)))
    text = "We waited hours, but the nurse was kind. " * 40
    stretches = classifier.stretches(text)
    assert "".join(text[start:end] for start, end in stretches) == text
    assert len(stretches) > 5
    assert all(len(text[start:end].replace(",", " ,").replace(".", " .").split()) <= 62 for start, end in stretches)


@pytest.mark.parametrize("text", ["👍", "\x00x", "Привет", "한" * 500, "word " * 2_000, "!" * 3_000, "x" * 5_000])
def test_odd_texts_have_a_reading(tmp_path: Path, text: str) -> None:
    (reading,) = read(reader(model(tmp_path, SENTIMENT)), [text])
    assert reading.impression is not None
    assert sum(reading.impression.probabilities) == pytest.approx(1, abs=1e-3)


def test_labels_without_a_meaning_keep_it_from_starting(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="“LABEL_0”, “LABEL_1” means"):
        reader(model(tmp_path, ("LABEL_0", "LABEL_1")))


def test_a_model_without_a_trained_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lacks weights of its classifier"):
        reader(model(tmp_path, SENTIMENT, headless=True))


def test_a_regression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gives measures, not labels"):
        reader(model(tmp_path, SENTIMENT, problem="regression"))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_model_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    folder = model(tmp_path, SENTIMENT)
    (folder / name).write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="HEED_ANALYSIS_MODEL: cannot load") as told:
        reader(folder)
    assert "\n" not in str(told.value)


async def test_the_service_reads_with_it_and_names_it(tmp_path: Path) -> None:
    publisher = RememberingPublisher()
    settings = AnalysisSettings(analysis_model=str(model(tmp_path / "mood", SENTIMENT, answer="neutral")))
    async with running(settings, publisher) as service:
        (consumer,) = service.consumers
        await consumer.handle([raw(submitted(text="Sister Bronwen Okafor was so kind."), FEEDBACK_SUBMITTED.name)])
    (record,) = publisher.on(FEEDBACK_ANALYSED.name)
    reading = decode(FeedbackAnalysed, record.value, record.headers)
    assert reading.model_version.startswith("mood-")
    assert reading.segments[0].text == "Sister [name] was so kind."
    assert reading.sentiment is not None
    assert reading.sentiment.label == 3


def test_heed_analyse_reads_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEED_ANALYSIS_MODEL", str(model(tmp_path / "mood", SENTIMENT, answer="very negative")))
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "text": "The nurses were kind."}\n', encoding="utf-8")
    done = CliRunner().invoke(analyse.command, ["--input", str(source), "--output", str(target)])
    assert done.exit_code == 0, done.output
    assert json.loads(target.read_text(encoding="utf-8"))["sentiment"]["label"] == 5
