"""A stub in place of `transformers` and a speech model: `python -m tests.stub_speech MODEL SAMPLES`.

It has the interface of `transformers.pipeline("automatic-speech-recognition")` and hears in a recording what the file
`says.json` in the model's folder tells. Everything else is `services.media.speech` as it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class StubPipeline:
    """Answers as a speech recognition pipeline does, and remembers what it was asked."""

    def __init__(self, says: list[dict[str, Any]], type_: str = "seq2seq_whisper") -> None:
        self.type = type_
        self.asked: list[tuple[int, dict[str, Any]]] = []
        self._says = iter(says)

    def __call__(self, inputs: dict[str, Any], **options: Any) -> dict[str, Any]:
        assert inputs["sampling_rate"] == 16_000
        assert str(inputs["raw"].dtype) == "float32"
        assert abs(inputs["raw"]).max(initial=0) <= 1
        self.asked.append((len(inputs["raw"]), options))
        return next(self._says, {"text": "", "chunks": []})


def stub_pipeline(task: str, model: str, **options: Any) -> StubPipeline:
    """In place of `transformers.pipeline`."""
    assert task == "automatic-speech-recognition"
    assert options == {"device": "cpu", "trust_remote_code": False}
    return StubPipeline(json.loads((Path(model) / "says.json").read_text(encoding="utf-8")))


if __name__ == "__main__":
    logging: Any = SimpleNamespace(set_verbosity_error=lambda: None)
    stub: Any = SimpleNamespace(pipeline=stub_pipeline, utils=SimpleNamespace(logging=logging))
    sys.modules["transformers"] = stub

    from services.media.speech import main

    main()
