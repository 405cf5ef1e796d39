"""`python -m services.analysis.training`: trains, measures, writes the artefact and its card.

For each fold of the feedback two teachers and their students are trained, all blind to it: these give the held-out
figures. Then the teachers of all folds teach the artefact's model, which is trained on everything. What is trained
stays in the work folder, so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer

from services.analysis.encoder import Encoder, TextTokeniser
from services.analysis.training import card, dataset, evaluation, export
from services.analysis.training.distillation import Material, Plan, kept, raised, train
from services.analysis.training.fitting import Example
from services.analysis.training.names import load_pool
from services.analysis.training.network import base_model_folder
from services.analysis.training.teachers import Teachers, mean

PREFIXES = {"what_good": "good", "could_improve": "improve", "nonspecific": "feedback"}
"""One word that stands before the text: what was asked decides what "Nothing." means."""
MAX_TOKENS = 256
"""Window of the artefact; training cuts at `Recipe.longest`, since few comments are longer."""
VERSION = "heed-minilm-1.2"


def note(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m services.analysis.training", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with fft_train.csv, criticality.csv, redaction_open.jsonl"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for the artefact, usually services/analysis/model"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps the models of the folds")
    parser.add_argument("--folds", type=int, nargs="*", default=list(range(dataset.FOLDS)), help="folds to hold out")
    parser.add_argument("--folds-only", action="store_true", help="stop after the models of the folds")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="models of each fold; the first is the artefact's, too"
    )
    parser.add_argument("--threads", type=int, default=1, help="another number of threads gives slightly other weights")
    return parser.parse_args()


def load_material(folder: Path) -> tuple[Material, list[dataset.NameCase], dict[str, int]]:
    """The data, the names and the tokeniser."""
    feedback = dataset.load_feedback(folder)
    rated, refused = dataset.load_criticality(folder)
    cases = dataset.load_name_cases(folder)
    taggable = dataset.unlike([comment.text for comment in [*feedback, *rated]], cases)
    examples = [Example(comment, allowed) for comment, allowed in zip([*feedback, *rated], taggable, strict=True)]
    tokeniser = TextTokeniser(
        Tokenizer.from_file(str(base_model_folder() / "tokenizer.json")), PREFIXES, Plan().recipe.longest
    )
    material = Material(examples[: len(feedback)], examples[len(feedback) :], load_pool(), tokeniser)
    counts = {"feedback": len(feedback), "criticality": len(rated), "refused": refused, "taggable": sum(taggable)}
    return material, cases, counts


def run(options: argparse.Namespace) -> None:
    """Train the models of the folds and measure them; train, write and measure the artefact; write the card."""
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    material, cases, counts = load_material(options.data)
    plan = Plan()
    teachers = Teachers(material, PREFIXES, plan, options.work, note)
    models = {
        seed: [evaluation.fold_model(material, plan, evaluation.Held(fold, seed), teachers) for fold in options.folds]
        for seed in options.seeds
    }
    if options.folds_only:
        return
    comments = [example.comment for example in material.feedback]
    extra = [example.comment.text for example in material.extra]
    gazetteer = material.pool.gazetteer([*(comment.text for comment in comments), *extra])
    parts = {
        seed: [
            evaluation.predict_fold(raised(model, comments, plan.prior_weight), material, fold)
            for model, fold in zip(models[seed], options.folds, strict=True)
        ]
        for seed in options.seeds
    }
    pooled = {seed: evaluation.pool_parts(parts[seed]) for seed in options.seeds}
    first, names = options.seeds[0], frozenset(gazetteer)
    decisions = evaluation.decide(pooled[first], names)
    figures = evaluation.figures(pooled[first], decisions, names)
    figures["by_fold"] = [evaluation.chief(part, decisions.theme_thresholds) for part in parts[first]]
    figures["by_seed"] = [evaluation.chief(pooled[seed], decisions.theme_thresholds) for seed in options.seeds]
    note(json.dumps({key: figures[key] for key in ("decisions", "themes", "names", "by_seed")}, default=str))
    model = kept(
        options.work / f"artefact-{first}.pt",
        material,
        plan,
        lambda: train(material, plan, first, note, mean([teachers.blind_to(fold) for fold in options.folds])),
    )
    artefact = export.Artefact(VERSION, decisions, MAX_TOKENS, PREFIXES, gazetteer)
    export.export(raised(model, comments, plan.prior_weight), artefact, options.output)
    shown = evaluation.name_figures(Encoder(options.output), cases, material.pool)
    card.write(card.Card(VERSION, plan, counts, options.folds, options.seeds, figures, shown), options.output)


def main() -> None:
    """Entry point; bad data is one line and exit code 1."""
    try:
        run(arguments())
    except (dataset.DataError, OSError) as error:
        sys.exit(f"training: {error}")


if __name__ == "__main__":
    main()
