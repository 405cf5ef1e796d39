"""Words from bare samples, with a stub in place of the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from services.media.recordings import SAMPLE_RATE
from services.media.sandbox import Ended, answered
from services.media.speech import WINDOW, recognised
from tests.stub_speech import StubPipeline

if TYPE_CHECKING:
    from pathlib import Path


def silence(seconds: float) -> Any:
    return np.zeros(int(seconds * SAMPLE_RATE), dtype=np.int16)


def test_a_model_that_tells_times_is_believed_within_its_window() -> None:
    stub = StubPipeline(
        [
            {
                "text": "",
                "chunks": [{"timestamp": (1.0, 2.5), "text": " kind"}, {"timestamp": (2.5, None), "text": "staff"}],
            },
            {
                "text": "",
                "chunks": [{"timestamp": (0.5, 99.0), "text": "we waited"}, {"timestamp": (None, 1), "text": " "}],
            },
        ]
    )
    said = list(recognised(stub, silence(40), timed=True))
    assert said == [
        {"start": 1.0, "end": 2.5, "text": "kind"},
        {"start": 2.5, "end": 30.0, "text": "staff"},
        {"start": 30.5, "end": 40.0, "text": "we waited"},
    ]
    assert stub.asked == [
        (WINDOW * SAMPLE_RATE, {"return_timestamps": True}),
        (10 * SAMPLE_RATE, {"return_timestamps": True}),
    ]


def test_of_another_model_the_window_is_known() -> None:
    stub = StubPipeline([{"text": "kind"}, {"text": " "}, {"text": "staff"}], type_="ctc")
    assert list(recognised(stub, silence(65), timed=False)) == [
        {"start": 0.0, "end": 30.0, "text": "kind"},
        {"start": 60.0, "end": 65.0, "text": "staff"},
    ]
    assert all(options == {} for _, options in stub.asked)


async def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    says = [{"text": "kind", "chunks": [{"timestamp": [0.0, 1.0], "text": "kind"}]}]
    (tmp_path / "says.json").write_text(json.dumps(says), encoding="utf-8")
    (tmp_path / "samples").write_bytes(silence(2).tobytes())
    answer = await answered("tests.stub_speech", [str(tmp_path), str(tmp_path / "samples")], b"", 30)
    assert json.loads(answer) == [{"start": 0.0, "end": 1.0, "text": "kind"}]


async def test_a_model_that_cannot_be_loaded_ends_that_process_alone(tmp_path: Path) -> None:
    with pytest.raises(Ended):
        await answered("tests.stub_speech", [str(tmp_path / "none"), str(tmp_path)], b"", 30)
