"""The compiled network: passes run side by side, one on each stream of the processor.

A stream of one thread computes a small pass as cheaply as a large one; several threads on one pass wait for each other
at every layer. Which stream computes a pass does not change its answers: all have the same number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
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


def token_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Groups text indices so that a group has one padded length and stays within the budget; most tokens first.

    What takes longest begins first, so that passes side by side end at about the same time. A text is padded to the
    same length whatever stands beside it, and then its answers are the same to the last bit.
    """
    padded = [padded_length(length) for length in lengths]
    order = sorted(range(len(padded)), key=lambda index: (-padded[index], index))
    found: list[list[int]] = []
    for length, group in groupby(order, key=padded.__getitem__):
        members = list(group)
        size = max(1, budget // length)
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


def pad(
    items: Sequence[TokenisedText], width: int | None = None, rows: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Token ids, attention mask and case classes, each (rows, width); as wide as the longest where none is given.

    Rows without a text have one token, as the mean of none would be no number.
    """
    shape = (rows or len(items), width or max(len(item.ids) for item in items))
    ids, mask, cases = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    mask[len(items) :, 0] = 1
    for row, item in enumerate(items):
        length = len(item.ids)
        ids[row, :length], mask[row, :length], cases[row, :length] = item.ids, 1, item.cases
    return ids, mask, cases
