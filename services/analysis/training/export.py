"""Writes what the service reads: the network as OpenVINO IR with 16-bit weights, the tokenizer, `model.json`."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from numpy.typing import NDArray

from services.analysis.encoder import MODEL_FILES, sha256_of
from services.analysis.training.dataset import THEME_NAMES
from services.analysis.training.distillation import Model
from services.analysis.training.network import Exported, Network, base_model_folder
from services.analysis.training.words import save_words

OUTPUTS = ("themes", "sentiment", "severity", "names")
SENTIMENT_LABELS = {
    "1": "very positive",
    "2": "positive",
    "3": "neutral or mixed",
    "4": "negative",
    "5": "very negative",
}


@dataclass(frozen=True, slots=True)
class Decisions:
    """What the service decides with, chosen on held-out comments."""

    theme_thresholds: NDArray[np.float32]
    """In the order of `THEME_NAMES`."""
    name_threshold: float
    severity_threshold: float


@dataclass(frozen=True, slots=True)
class Artefact:
    """What is written beside the weights."""

    version: str
    decisions: Decisions
    max_tokens: int
    prefixes: Mapping[str, str]
    known_names: Sequence[str]
    """The redactor's gazetteer, in lower case."""


def export(model: Model, artefact: Artefact, folder: Path) -> None:
    """Replaces the artefact in `folder`."""
    decisions = artefact.decisions
    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(convert(model.network), folder / "network.xml", compress_to_fp16=True)
    save_words(model.words, folder / "words.npz")
    shutil.copyfile(base_model_folder() / "tokenizer.json", folder / "tokenizer.json")
    (folder / "names.txt").write_text("\n".join(artefact.known_names) + "\n", encoding="utf-8")
    description: dict[str, Any] = {
        "version": artefact.version,
        "theme_names": THEME_NAMES,
        "sentiment_labels": SENTIMENT_LABELS,
        "theme_thresholds": [round(float(threshold), 4) for threshold in decisions.theme_thresholds],
        "name_threshold": round(decisions.name_threshold, 4),
        "severity_threshold": round(decisions.severity_threshold, 4),
        "max_tokens": artefact.max_tokens,
        "prefixes": dict(artefact.prefixes),
        "sha256": {name: sha256_of(folder / name) for name in MODEL_FILES},
    }
    text = json.dumps(description, indent=2, ensure_ascii=False)
    (folder / "model.json").write_text(text + "\n", encoding="utf-8")


def convert(network: Network) -> Any:
    """The network as an OpenVINO model with named inputs and outputs, any batch size and length."""
    example = {
        "input_ids": torch.ones((2, 8), dtype=torch.int64),
        "attention_mask": torch.ones((2, 8), dtype=torch.int64),
        "token_type_ids": torch.zeros((2, 8), dtype=torch.int64),
    }
    wrapped = Exported(network.eval()).eval()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(wrapped, example_input=example)
    model.reshape({port.any_name: openvino.PartialShape([-1, -1]) for port in model.inputs})
    for output, name in zip(model.outputs, OUTPUTS, strict=True):
        output.get_tensor().set_names({name})
    return model
