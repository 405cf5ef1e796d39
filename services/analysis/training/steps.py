"""The steps of a training run; each leaves a file in the work folder, and may be taken in a process of its own.

Every process has one thread: what goes into a network does not depend on how many processes there are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeVar

import torch
import transformers
from threadpoolctl import threadpool_limits
from tokenizers import Tokenizer

from services.analysis.encoder import TextTokeniser
from services.analysis.training import dataset, evaluation
from services.analysis.training.distillation import Material, Model, Plan, kept, raised, train
from services.analysis.training.fitting import Example
from services.analysis.training.large import weights_folder
from services.analysis.training.names import load_pool
from services.analysis.training.network import base_model_folder
from services.analysis.training.teachers import Teachers, mean

T = TypeVar("T")
PREFIXES = {"what_good": "good", "could_improve": "improve", "nonspecific": "feedback"}
"""One word that stands before the text: what was asked decides what "Nothing." means."""


class Steps:
    """A run's material, and what is made of it.

    Args:
        data: folder with fft_train.csv, criticality.csv and redaction_open.jsonl.
        work: folder for what is trained; a run that was stopped goes on.

    Raises:
        DataError: the data is not as expected; the message says where.
        OSError: a file could not be read.
    """

    def __init__(self, data: Path, work: Path) -> None:
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(1)
        threadpool_limits(1, "blas")
        torch.use_deterministic_algorithms(True)
        self.plan, self._work, self._doing = Plan(), work, "training"
        feedback = dataset.load_feedback(data)
        rated, refused = dataset.load_criticality(data)
        self.cases = dataset.load_name_cases(data)
        taggable = dataset.unlike([comment.text for comment in [*feedback, *rated]], self.cases)
        examples = [Example(comment, allowed) for comment, allowed in zip([*feedback, *rated], taggable, strict=True)]
        words = Tokenizer.from_file(str(base_model_folder() / "tokenizer.json"))
        tokeniser = TextTokeniser(words, PREFIXES, self.plan.recipe.longest)
        self.material = Material(examples[: len(feedback)], examples[len(feedback) :], load_pool(), tokeniser)
        self.counts = {
            "feedback": len(feedback),
            "criticality": len(rated),
            "refused": refused,
            "taggable": sum(taggable),
        }
        self.feedback = feedback
        self._teachers = Teachers(self.material, PREFIXES, self.plan, work, self.note)

    def note(self, text: str) -> None:
        """Progress, on stderr."""
        print(f"{self._doing}: {text}", file=sys.stderr, flush=True)

    def large_teacher(self, fold: int) -> None:
        """Trains the large teacher that is blind to a fold, and keeps what it says."""
        self._doing = f"large teacher {fold}"
        self._teachers.said_by_large(fold)

    def small_teacher(self, fold: int) -> None:
        """The same of the small teacher."""
        self._doing = f"small teacher {fold}"
        self._teachers.said_by_small(fold)

    def held_out(self, held: evaluation.Held) -> evaluation.HeldOut:
        """Trains the model that never saw a fold, and keeps it; what it says of the fold."""
        self._doing = f"student {held.fold}, seed {held.seed}"
        model = evaluation.fold_model(self.material, self.plan, held, self._teachers)
        return evaluation.predict_fold(self.raised(model), self.material, held.fold)

    def artefact(self, folds: Sequence[int], seed: int) -> None:
        """Trains the model that learns of the teachers of all folds, and keeps it."""
        self._doing = f"artefact, seed {seed}"
        self.kept_artefact(folds, seed)

    def kept_artefact(self, folds: Sequence[int], seed: int) -> Model:
        """That model, from its file if it is there."""

        def make() -> Model:
            opinions = mean([self._teachers.blind_to(fold) for fold in folds])
            return train(self.material, self.plan, seed, self.note, opinions)

        return kept(self._work / f"artefact-{seed}.pt", self.material, self.plan, make)

    def raised(self, model: Model) -> Model:
        """A model whose sentiment leans less towards what is frequent in the feedback."""
        return raised(model, self.feedback, self.plan.prior_weight)


class Compute(Protocol):
    """Has steps taken, as many at once as there are processes; gives their results in order, each when it is there."""

    def __call__(self, tasks: Iterable[Callable[[Steps], T]]) -> Iterator[T]:
        """What a step raises is raised where its result is asked for; steps not yet begun are then left."""


@contextmanager
def worker_processes(jobs: int, data: Path, work: Path) -> Iterator[Compute]:
    """Processes that take steps for as long as the block runs; each loads the material once."""
    weights_folder(work)  # unpacked once, before many want it
    with ProcessPoolExecutor(jobs, get_context("spawn"), _open, (data, work)) as pool:

        def compute(tasks: Iterable[Callable[[Steps], T]]) -> Iterator[T]:
            return pool.map(_do, tasks)

        try:
            yield compute
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_steps: Steps
"""This process's."""


def _open(data: Path, work: Path) -> None:
    global _steps  # noqa: PLW0603 - the one place in which a process of the pool keeps something
    _steps = Steps(data, work)


def _do(task: Callable[[Steps], T]) -> T:
    return task(_steps)
