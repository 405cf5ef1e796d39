"""Measures a plan on comments that its model never saw, beside the SVC, and the written artefact on the name cases."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.analysis.allow_list import AllowList
from services.analysis.encoder import Encoder, name_words
from services.analysis.network import pad, token_batches
from services.analysis.normalised import normalise, without_diacritics
from services.analysis.redaction import NameToken, Redactor
from services.analysis.training import measures
from services.analysis.training.baseline import Baseline
from services.analysis.training.dataset import THEME_NAMES, Comment, NameCase
from services.analysis.training.distillation import Material, Model, Plan, kept, train
from services.analysis.training.export import Decisions
from services.analysis.training.fitting import Array, Predictions, name_probabilities, predict
from services.analysis.training.injection import Injector, Tagged
from services.analysis.training.names import NamePool, load_pool
from services.analysis.training.network import Network
from services.analysis.training.teachers import Teachers

UNTOUCHED_ALLOWED = 0.01
"""The name threshold is the lowest of `CURVE` at which no more than this share of held-out comments is touched.

Held-out comments may hold real names that the annotators missed: this is an upper bound of over-redaction.
"""
_NO_LIST = AllowList(common=False)
"""Held-out comments show what the network takes for a name: the common list would hide some of it."""
SEVERE_SHARE = 0.01
"""The severity threshold is the one that this share of held-out comments reaches."""
CURVE = (0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


@dataclass(frozen=True, slots=True)
class Held:
    """One measuring run: the fold that is left out, and the seed."""

    fold: int
    seed: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Pooled predictions for comments of the held-out folds."""

    feedback: list[Comment]
    predicted: Predictions
    svc_themes: NDArray[np.bool_]
    svc_sentiment: NDArray[np.int64]
    rated: list[Comment]
    """Criticality comments of the held-out folds."""
    severity: Array
    injected: list[tuple[Tagged, list[NameToken]]]
    """Held-out comments with held-out names, and what the name head says."""
    untouched: list[tuple[str, list[NameToken]]]
    """What it says on the same comments as they are (those without a placeholder)."""


def fold_model(material: Material, plan: Plan, held: Held, teachers: Teachers) -> Model:
    """The model that never saw a fold, taught by teachers that never saw it."""
    seen = np.array([example.comment.fold != held.fold for example in [*material.feedback, *material.extra]])
    rest = replace(
        material,
        feedback=[example for example in material.feedback if example.comment.fold != held.fold],
        extra=[example for example in material.extra if example.comment.fold != held.fold],
    )

    def make() -> Model:
        said = teachers.blind_to(held.fold)
        opinions = Predictions(said.themes[seen], said.sentiment[seen], said.severity[seen])
        return train(rest, plan, held.seed, teachers.note, opinions)

    return kept(teachers.work / f"fold-{held.fold}-{held.seed}.pt", rest, plan, make)


def predict_fold(model: Model, material: Material, fold: int) -> HeldOut:
    """What a model that never saw a fold says about it, and the SVC trained on the same comments."""
    inside = [example for example in material.feedback if example.comment.fold == fold]
    feedback = [example.comment for example in inside]
    svc = Baseline.fit([example.comment for example in material.feedback if example.comment.fold != fold])
    rated = [example.comment for example in material.extra if example.comment.fold == fold]
    injector = Injector(load_pool(only_held_out=True), random.Random(f"held out {fold}"), name_rate=1.0)
    plain_texts = [comment.text for comment in [*feedback, *rated] if "[" not in comment.text]
    tagged = [variant for variant in map(injector, plain_texts) if variant.spans]
    said = name_predictions(model.network, material, [variant.text for variant in tagged])
    predicted = model.predict(material.tokeniser, feedback)
    return HeldOut(
        feedback,
        predicted,
        svc.given_themes(feedback),
        svc.given_sentiment(feedback),
        rated,
        predict(model.network, material.tokeniser, rated).severity,
        list(zip(tagged, said, strict=True)),
        list(zip(plain_texts, name_predictions(model.network, material, plain_texts), strict=True)),
    )


def pool_parts(parts: Sequence[HeldOut]) -> HeldOut:
    """All folds as one."""
    predicted = Predictions(
        np.concatenate([part.predicted.themes for part in parts]),
        np.concatenate([part.predicted.sentiment for part in parts]),
        np.concatenate([part.predicted.severity for part in parts]),
    )
    return HeldOut(
        [comment for part in parts for comment in part.feedback],
        predicted,
        np.concatenate([part.svc_themes for part in parts]),
        np.concatenate([part.svc_sentiment for part in parts]),
        [comment for part in parts for comment in part.rated],
        np.concatenate([part.severity for part in parts]),
        [pair for part in parts for pair in part.injected],
        [pair for part in parts for pair in part.untouched],
    )


def name_predictions(network: Network, material: Material, texts: Sequence[str]) -> list[list[NameToken]]:
    """Words of the normalised texts with their P(name), as `Encoder.run` gives them."""
    items = material.tokeniser([normalise(text).text for text in texts], ["nonspecific"] * len(texts))
    said: list[list[NameToken]] = [[] for _ in items]
    for batch in token_batches([len(item.ids) for item in items], 2048):
        probabilities = name_probabilities(network, pad([items[index] for index in batch]))
        for row, index in enumerate(batch):
            said[index] = name_words(items[index], probabilities[row])
    return said


def decide(held: HeldOut, known_names: frozenset[str]) -> Decisions:
    """The thresholds, from the held-out comments only."""
    labels = measures.theme_matrix(held.feedback)
    touched = {value: measures.touched(Redactor(value, _NO_LIST, known_names), held.untouched) for value in CURVE}
    allowed = [value for value, share in touched.items() if share <= UNTOUCHED_ALLOWED]
    severe = float(np.quantile(held.severity, 1 - SEVERE_SHARE))
    return Decisions(measures.best_thresholds(labels, held.predicted.themes), min(allowed, default=max(CURVE)), severe)


def figures(held: HeldOut, decisions: Decisions, known_names: frozenset[str]) -> dict[str, Any]:
    """Every held-out figure of the card."""
    labels = measures.theme_matrix(held.feedback)
    ours = measures.theme_f1(labels, held.predicted.themes >= decisions.theme_thresholds)
    svc = measures.theme_f1(labels, held.svc_themes)
    rows = [row for row, comment in enumerate(held.feedback) if comment.sentiment is not None]
    classes = np.array([held.feedback[row].sentiment for row in rows])
    confidence = held.predicted.sentiment[rows].max(axis=1)
    right = held.predicted.sentiment[rows].argmax(axis=1) == classes
    auroc, precision, base = measures.severity_scores(held.rated, held.severity)
    top = held.severity >= decisions.severity_threshold
    severe = np.array([bool(comment.severe) for comment in held.rated])
    return {
        "comments": len(held.feedback),
        "decisions": asdict(decisions),
        "themes": {"macro": ours.macro, "micro": ours.micro, "svc_macro": svc.macro, "svc_micro": svc.micro},
        "nested": _nested(held, labels),
        "by_theme": [
            {
                "theme": name,
                "positives": int(ours.positives[at]),
                "f1": float(ours.each[at]),
                "svc": float(svc.each[at]),
            }
            for at, name in enumerate(THEME_NAMES)
        ],
        "sentiment": asdict(measures.sentiment_scores(classes, held.predicted.sentiment[rows])),
        "svc_sentiment": asdict(
            measures.sentiment_scores(classes, np.eye(5, dtype=np.float32)[held.svc_sentiment[rows]])
        ),
        "calibration": {
            "themes": measures.calibration_error(labels.ravel(), held.predicted.themes.ravel()),
            "sentiment": measures.calibration_error(right, confidence),
        },
        "severity": {
            "comments": len(held.rated),
            "auroc": auroc,
            "average_precision": precision,
            "base_rate": base,
            "flagged_precision": float(severe[top].mean()),
            "flagged_recall": float(top[severe].mean()),
        },
        "names": _held_out_names(held, known_names),
    }


def chief(held: HeldOut, thresholds: Array) -> dict[str, float]:
    """The figures that a model is chosen by, of one fold or of all."""
    themes = measures.theme_f1(measures.theme_matrix(held.feedback), held.predicted.themes >= thresholds)
    rated = [row for row, comment in enumerate(held.feedback) if comment.sentiment is not None]
    classes = np.array([held.feedback[row].sentiment for row in rated])
    sentiment = measures.sentiment_scores(classes, held.predicted.sentiment[rated])
    scores = {"macro": themes.macro, "micro": themes.micro, "accuracy": sentiment.accuracy, "f1": sentiment.macro}
    return {"comments": len(held.feedback), **scores, "three": sentiment.three}


def _nested(held: HeldOut, labels: NDArray[np.bool_]) -> dict[str, float]:
    """Macro and micro F1 where the thresholds of each fold were chosen on the other folds."""
    folds = np.array([comment.fold for comment in held.feedback])
    given = np.zeros_like(labels)
    for fold in np.unique(folds):
        inside = folds == fold
        if not inside.all():
            thresholds = measures.best_thresholds(labels[~inside], held.predicted.themes[~inside])
            given[inside] = held.predicted.themes[inside] >= thresholds
    result = measures.theme_f1(labels, given)
    return {"macro": result.macro, "micro": result.micro}


def _held_out_names(held: HeldOut, known_names: frozenset[str]) -> list[dict[str, float]]:
    """Recall of held-out names and touched comments at each threshold of the curve."""
    cases = [
        NameCase(tagged.text, "injected", tuple((start, end, "NAME", {}) for start, end in tagged.spans))
        for tagged, _ in held.injected
    ]
    rows = []
    for threshold in CURVE:
        redactor = Redactor(threshold, _NO_LIST, known_names)
        found = measures.found_names(redactor, cases, [said for _, said in held.injected])
        touched = measures.touched(redactor, held.untouched)
        rows.append({"threshold": threshold, "recall": _recall(found), "touched": touched})
    return rows


def name_figures(encoder: Encoder, cases: Sequence[NameCase], pool: NamePool) -> dict[str, Any]:
    """The written artefact with the service's rules, through the runtime, on `redaction_open.jsonl`."""
    texts = [normalise(case.text).text for case in cases]
    said = [one.name_tokens for one in encoder.run(texts, ["nonspecific"] * len(texts))]
    known = pool.known_words()
    curve, groups = [], {}
    for threshold in sorted({*CURVE, round(encoder.name_threshold, 4)}, reverse=True):
        redactor = Redactor(threshold, AllowList(), encoder.known_names)
        found = measures.found_names(redactor, cases, said)
        unseen = [
            name for name in found if not known & set(re.findall(r"\w+", without_diacritics(name.written).lower()))
        ]
        parts = {
            kind: [(case.text, words) for case, words in zip(cases, said, strict=True) if case.kind == kind]
            for kind in ("untouched", "trap")
        }
        rates = {kind: measures.touched(redactor, part) for kind, part in parts.items()}
        curve.append({"threshold": threshold, "recall": _recall(found), "unseen": _recall(unseen), **rates})
        if threshold == round(encoder.name_threshold, 4):
            groups = {by: _grouped(found, by) for by in ("g", "case", "form")}
    return {
        "names": len(found),
        "unseen_names": len(unseen),
        "threshold": encoder.name_threshold,
        "curve": curve,
        "groups": groups,
    }


def _grouped(found: Sequence[measures.Found], by: str) -> dict[str, dict[str, float]]:
    groups: dict[str, list[measures.Found]] = defaultdict(list)
    for name in found:
        groups[name.about[by]].append(name)
    return {group: {"names": len(members), "recall": _recall(members)} for group, members in sorted(groups.items())}


def _recall(found: Sequence[measures.Found]) -> float:
    return float(np.mean([name.taken_out for name in found])) if found else float("nan")
