"""The compiled network: passes run side by side, one on each stream of the processor.

A stream of one thread computes a small pass as cheaply as a large one; several threads on one pass wait for each other
at every layer. Which stream computes a pass does not change its answers: all have the same number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from numpy.typing import NDArray

if TYPE_CHECKING:
    from services.analysis.encoder import TokenisedText

LENGTH_STEP = 8
"""Texts are padded to multiples of so many tokens, and only texts of one padded length share a pass."""

COUNT_STEPS, LARGEST_STEP = ((8, 1), (16, 2), (32, 4), (64, 8)), 16
"""Up to so many texts a pass has a multiple of so many rows."""

OUTPUTS = ("themes", "sentiment", "severity", "names")
MOST_STREAMS = 4
"""Each has its own memory for a pass; a batch seldom has more passes worth computing at once."""


class ModelError(RuntimeError):
    """The model folder is missing, incomplete or does not fit this code; the message says what to do."""


def computes_bf16() -> bool:
    """Whether this processor has instructions for it; on others OpenVINO imitates it, thirty times slower than f32."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class Network:
    """Compiled for this processor. Any thread may call it.

    Attributes:
        calls: worth making at once: one is computed on each stream, and another waits for it there. Without that one a
            stream would stand still until a Python thread has the interpreter's lock and can bring the next pass.
    """

    def __init__(self, path: Path, threads: int, precision: str) -> None:
        """Compiles the network, tuned for throughput of whole batches; no cache on disk, no telemetry.

        Args:
            path: the network in OpenVINO's form.
            threads: CPU threads in all.
            precision: `f32`, `bf16`, or `auto`: bf16 where the processor computes in it.
        """
        if precision == "auto":
            precision = "bf16" if computes_bf16() else "f32"
        streams = next(count for count in range(MOST_STREAMS, 0, -1) if threads % count == 0)
        self.calls = 2 * streams
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
            "INFERENCE_PRECISION_HINT": precision,
        }
        compiled = openvino.Core().compile_model(path, "CPU", options)
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.calls):
            self._requests.put(compiled.create_infer_request())
        self._pass_alone()

    def __call__(
        self, ids: NDArray[np.int64], mask: NDArray[np.int64], cases: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], ...]:
        """One pass; the arrays of `OUTPUTS`, each with a row for each text."""
        request = self._requests.get()
        try:
            request.start_async({"input_ids": ids, "attention_mask": mask, "token_type_ids": cases})
            request.wait()
            return tuple(np.array(request.get_tensor(output).data, dtype=np.float32) for output in OUTPUTS)
        finally:
            self._requests.put(request)

    def _pass_alone(self) -> None:
        """Makes the first pass of the process while no other thread can make one.

        In its first pass OpenVINO 2026.4 looks NumPy up, holding a lock of C++ and giving up the interpreter's. A
        second thread whose first pass comes meanwhile waits for the one and holds the other: all stands still for ever.
        """
        one = np.ones((1, LENGTH_STEP), dtype=np.int64)
        self(one, one, one)


def token_batches(
    lengths: Sequence[int], budget: int, full: Callable[[int], int] = lambda most: most
) -> list[list[int]]:
    """Groups text indices so that a group has one padded length and stays within the budget; most tokens first.

    What takes longest begins first, so that passes side by side end at about the same time. A text is padded to the
    same length whatever stands beside it, so that its answers do not depend on that (decision 7 tells how exactly).

    Args:
        lengths: tokens of each text.
        budget: tokens of a group at most, one text apart.
        full: how many texts make a group full where so many have room; training, which computes no empty rows, and
            whose bits would change, fills the budget.
    """
    padded = [padded_length(length) for length in lengths]
    order = sorted(range(len(padded)), key=lambda index: (-padded[index], index))
    found: list[list[int]] = []
    for length, group in groupby(order, key=padded.__getitem__):
        members = list(group)
        size = full(max(1, budget // length))
        found += [members[at : at + size] for at in range(0, len(members), size)]
    return sorted(found, key=lambda batch: -len(batch) * padded[batch[0]])


def padded_length(length: int) -> int:
    """What a text of so many tokens is padded to, whatever stands beside it: the next multiple of `LENGTH_STEP`."""
    return max(1, -(-length // LENGTH_STEP)) * LENGTH_STEP


def padded_count(count: int) -> int:
    """How many rows a pass of so many texts gets: the next of some thirty numbers, less than a quarter more.

    The first pass of a shape takes 5 to 10 ms longer than the next ones, and without this nearly all are of a new one.
    """
    step = next((step for most, step in COUNT_STEPS if count <= most), LARGEST_STEP)
    return -(-count // step) * step


def full_count(most: int) -> int:
    """How many texts a pass gets that has room for so many: as many as leave no row empty."""
    return max(count for count in range(1, most + 1) if padded_count(count) == count)


def pad(
    items: Sequence[TokenisedText], width: int | None = None, rows: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Token ids, attention mask and case classes, each (rows, width); as wide as the longest where none is given.

    Rows without a text have one token, as the mean of none would be no number.
    """
    lengths = np.zeros((rows or len(items), 1), dtype=np.int64)
    lengths[: len(items), 0] = [len(item.ids) for item in items]
    filled = np.arange(width or lengths.max()) < lengths
    mask = filled.astype(np.int64)
    mask[len(items) :, 0] = 1
    return _filled(filled, [item.ids for item in items]), mask, _filled(filled, [item.cases for item in items])


def _filled(where: NDArray[np.bool_], values: Iterable[Iterable[int]]) -> NDArray[np.int64]:
    """Zeros, but for the values of each row where it is to be filled."""
    array = np.zeros(where.shape, dtype=np.int64)
    array[where] = np.fromiter(chain.from_iterable(values), dtype=np.int64)
    return array
