"""`python -m services.analysis.training`: trains, measures, writes the artefact and its card.

For each fold of the feedback two teachers and their students are trained, all blind to it: these give the held-out
figures. Then the teachers of all folds teach the artefact's model, which is trained on everything. What is trained
stays in the work folder, so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

from services.analysis.encoder import Encoder
from services.analysis.training import card, dataset, evaluation, export
from services.analysis.training.steps import PREFIXES, Steps, worker_processes

MAX_TOKENS = 256
"""Window of the artefact; training cuts at `Recipe.longest`, since few comments are longer."""
VERSION = "heed-minilm-1.2"


def arguments() -> argparse.Namespace:
    """The command line.

    Raises:
        SystemExit: with code 2, after one line about an argument that cannot be used.
    """
    parser = argparse.ArgumentParser(prog="python -m services.analysis.training", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with fft_train.csv, criticality.csv, redaction_open.jsonl"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for the artefact, usually services/analysis/model"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps the models of the folds")
    folds = range(dataset.FOLDS)
    parser.add_argument("--folds", type=int, nargs="+", choices=folds, default=list(folds), help="folds to hold out")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="models of each fold; the first is the artefact's, too"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="networks that are trained at once, each on one processor in 7 GB",
    )
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error("--jobs: at least 1")
    for name, given in (("--folds", options.folds), ("--seeds", options.seeds)):
        if len(set(given)) < len(given):
            parser.error(f"{name}: each number once")
    return options


def run(options: argparse.Namespace) -> None:
    """Train the models of the folds and measure them; train, write and measure the artefact; write the card."""
    steps = Steps(options.data, options.work)
    folds, seeds, first = options.folds, options.seeds, options.seeds[0]
    dataset.claim(options.work, options.data, VERSION, steps.plan, folds)
    with worker_processes(options.jobs, options.data, options.work) as compute:
        teachers = (Steps.large_teacher, Steps.small_teacher)
        list(compute([partial(kind, fold=fold) for kind in teachers for fold in folds]))
        trained = compute([partial(Steps.artefact, folds=folds, seed=first)])
        said = compute([partial(Steps.held_out, held=evaluation.Held(fold, seed)) for seed in seeds for fold in folds])
        parts = {seed: [next(said) for _ in folds] for seed in seeds}
        list(trained)  # it has no result, but may have failed
    figures, decisions, gazetteer = measured(steps, parts)
    steps.note(json.dumps({key: figures[key] for key in ("decisions", "themes", "names", "by_seed")}, default=str))
    artefact = export.Artefact(VERSION, decisions, MAX_TOKENS, PREFIXES, gazetteer)
    export.export(steps.raised(steps.kept_artefact(folds, first)), artefact, options.output)
    shown = evaluation.name_figures(Encoder(options.output), steps.cases, steps.material.pool)
    card.write(card.Card(VERSION, steps.plan, steps.counts, folds, seeds, figures, shown), options.output)


def measured(
    steps: Steps, parts: dict[int, list[evaluation.HeldOut]]
) -> tuple[dict[str, Any], export.Decisions, Sequence[str]]:
    """The card's figures, the thresholds by the first seed, and the gazetteer; `parts` are the folds of each seed."""
    material = steps.material
    gazetteer = material.pool.gazetteer([example.comment.text for example in [*material.feedback, *material.extra]])
    names, pooled = frozenset(gazetteer), {seed: evaluation.pool_parts(folds) for seed, folds in parts.items()}
    first = next(iter(parts))
    decisions = evaluation.decide(pooled[first], names)
    figures = evaluation.figures(pooled[first], decisions, names)
    figures["by_fold"] = [evaluation.chief(part, decisions.theme_thresholds) for part in parts[first]]
    figures["by_seed"] = [evaluation.chief(whole, decisions.theme_thresholds) for whole in pooled.values()]
    return figures, decisions, gazetteer


def main() -> None:
    """Entry point; bad data, or too little memory, is one line and exit code 1."""
    try:
        run(arguments())
    except (dataset.DataError, OSError) as error:
        sys.exit(f"training: {error}")
    except BrokenProcessPool:
        sys.exit("training: a process was killed, most likely for want of memory: use fewer --jobs (make train JOBS=1)")


if __name__ == "__main__":
    main()
