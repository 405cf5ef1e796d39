"""`python -m services.media.speech MODEL SAMPLES`: words from bare samples, by the operator's model (extra `torch`).

A process of its own, so that the service stays small and a model that takes too long can be ended. It reads samples
that the decoding process wrote, never a file of a patient's.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from services.media.recordings import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WINDOW = 30
"""Seconds that are given to the model at once: what Whisper reads, and little enough for any other to be quick."""


class Recogniser(Protocol):
    """What is needed of `transformers.pipeline("automatic-speech-recognition")`."""

    def __call__(self, inputs: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Text, and with `return_timestamps` its `chunks`."""


def recognised(recogniser: Recogniser, samples: NDArray[np.int16], *, timed: bool) -> Iterator[dict[str, Any]]:
    """What is said, as `start`, `end` and `text`, in seconds from the start.

    Args:
        recogniser: the pipeline.
        samples: one channel, `SAMPLE_RATE`.
        timed: whether the model itself tells when something is said; else it is known to a window.
    """
    for at in range(0, len(samples), WINDOW * SAMPLE_RATE):
        piece = samples[at : at + WINDOW * SAMPLE_RATE]
        begin, length = at / SAMPLE_RATE, len(piece) / SAMPLE_RATE
        given = {"raw": piece.astype(np.float32) / 32_768, "sampling_rate": SAMPLE_RATE}
        answer = recogniser(given, **({"return_timestamps": True} if timed else {}))
        chunks = answer.get("chunks") if timed else None
        for chunk in chunks or [{"timestamp": (0.0, length), "text": answer["text"]}]:
            start, end = chunk["timestamp"]
            start = min(max(float(start or 0.0), 0.0), length)
            end = min(max(float(length if end is None else end), start), length)
            if text := str(chunk["text"]).strip():
                yield {"start": begin + start, "end": begin + end, "text": text}


def main() -> None:
    """Recognise one recording."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    transformers = importlib.import_module("transformers")
    transformers.utils.logging.set_verbosity_error()
    model, samples = sys.argv[1:3]
    recogniser = transformers.pipeline(
        "automatic-speech-recognition", model=model, device="cpu", trust_remote_code=False
    )
    timed = "seq2seq_whisper" in str(getattr(recogniser, "type", ""))
    heard = np.frombuffer(Path(samples).read_bytes(), dtype=np.int16)
    sys.stdout.write(json.dumps(list(recognised(recogniser, heard, timed=timed))))


if __name__ == "__main__":
    main()
