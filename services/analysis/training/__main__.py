"""`python -m services.analysis.training`: trains, measures, writes the artefact and its card."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from services.analysis.encoder import Encoder, TextTokeniser
from services.analysis.training import card, dataset, evaluation, export
from services.analysis.training.distillation import Material, Plan, train
from services.analysis.training.fitting import Example
from services.analysis.training.names import load_pool
from services.analysis.training.network import base_model_folder

PREFIXES = {"what_good": "good", "could_improve": "improve", "nonspecific": "feedback"}
"""One word that stands before the text: what was asked decides what "Nothing." means."""
MAX_TOKENS = 256
"""Window of the artefact; training cuts at `Recipe.longest`, since few comments are longer."""


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
    parser.add_argument(
        "--held-out", type=int, nargs="*", default=[0], help="folds (0..4) that are measured; all five take hours"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="another number of threads gives slightly other weights")
    parser.add_argument("--teachers", type=int, default=Plan().teachers)
    parser.add_argument(
        "--measures",
        type=Path,
        help="where to keep the held-out figures as JSON; read instead of measured if it exists",
    )
    parser.add_argument("--measure-only", action="store_true", help="stop after the held-out figures")
    return parser.parse_args()


def load_material(folder: Path) -> tuple[Material, list[dataset.NameCase], dict[str, int]]:
    """The data, the names and the tokeniser."""
    feedback = dataset.load_feedback(folder)
    rated, refused = dataset.load_criticality(folder)
    cases = dataset.load_name_cases(folder)
    taggable = dataset.unlike([comment.text for comment in [*feedback, *rated]], cases)
    examples = [Example(comment, allowed) for comment, allowed in zip([*feedback, *rated], taggable, strict=True)]
    tokeniser = TextTokeniser(
        Tokenizer.from_file(str(base_model_folder() / "tokenizer.json")), PREFIXES, Plan().student.longest
    )
    material = Material(examples[: len(feedback)], examples[len(feedback) :], load_pool(), tokeniser)
    counts = {"feedback": len(feedback), "criticality": len(rated), "refused": refused, "taggable": sum(taggable)}
    return material, cases, counts


def measured(options: argparse.Namespace, material: Material, plan: Plan) -> dict[str, Any]:
    """The held-out figures: measured, or read from an earlier run."""
    if options.measures and options.measures.exists():
        figures: dict[str, Any] = json.loads(options.measures.read_text(encoding="utf-8"))
        return figures
    held = evaluation.hold_out(material, plan, options.held_out, options.seed, note)
    figures = evaluation.figures(held, evaluation.decide(held))
    figures["plan"], figures["folds"] = asdict(plan), options.held_out
    text = json.dumps(figures, indent=1, default=lambda array: array.tolist())
    if options.measures:
        options.measures.write_text(text, encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    note(
        json.dumps(
            {key: loaded[key] for key in ("decisions", "themes", "fixed_threshold", "sentiment", "severity", "names")}
        )
    )
    return loaded


def run(options: argparse.Namespace) -> None:
    """Train on everything, measure the same plan on held-out folds, write, measure what was written, write the card."""
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    material, cases, counts = load_material(options.data)
    plan = replace(Plan(), teachers=options.teachers)
    if options.measure_only:
        measured(options, material, plan)
        return
    began = time.monotonic()
    model = train(material, plan, options.seed, note)
    note(f"trained in {time.monotonic() - began:.0f} s")
    figures = measured(options, material, plan)
    version = f"heed-minilm-1.{options.seed}"
    decisions = export.Decisions(**figures["decisions"])
    export.export(model, options.output, decisions, version=version, max_tokens=MAX_TOKENS, prefixes=PREFIXES)
    names = evaluation.name_figures(Encoder(options.output), cases, material.pool)
    card.write(card.Card(version, plan, counts, figures["folds"], figures, names, (options.seed,)), options.output)


def main() -> None:
    """Entry point; bad data is one line and exit code 1."""
    try:
        run(arguments())
    except (dataset.DataError, OSError) as error:
        sys.exit(f"training: {error}")


if __name__ == "__main__":
    main()
