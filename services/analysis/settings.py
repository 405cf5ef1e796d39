"""Settings of the analysis service; each is described in its README."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings


def _entries(given: object) -> object:
    """Comma-separated, as environment variables are; quotes and brackets are not needed."""
    if isinstance(given, str):
        return tuple(entry.strip() for entry in given.split(",") if entry.strip())
    return given


class AnalysisSettings(ServiceSettings):
    """What the model needs, and what it must not take for a person's name."""

    allow_list: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_entries)] = Field(
        (), description="Ward and site names that are never redacted as people's, comma-separated."
    )
    allow_list_file: Path | None = Field(
        None, description="A team catalogue (YAML) whose `allow_list` is added to HEED_ALLOW_LIST."
    )
    analysis_model_folder: Path | None = Field(None, description="Folder of the model; none: the bundled one.")
    analysis_model: str | None = Field(
        None,
        min_length=1,
        description="Folder or hub name of a Hugging Face sequence-classification model that decides themes or "
        "sentiment instead (extra `torch`); none: ours does.",
    )
    analysis_model_labels: Path | None = Field(
        None, description="Mapping file (YAML) of that model's labels to themes and sentiment; none: by their names."
    )
    analysis_threads: int | None = Field(None, ge=1, le=256, description="CPU threads of the model; none: all cores.")
    analysis_precision: str = Field(
        "auto",
        pattern=r"^(auto|f32|bf16)$",
        description="Arithmetic of the model: `f32`, `bf16`, or `auto`: bf16 on CPUs that compute in it.",
    )
    name_threshold: float | None = Field(
        None, ge=0, le=1, description="P(name) from which a word is redacted; none: the model's."
    )
    severity_threshold: float | None = Field(
        0.9,
        ge=0,
        le=1,
        description="Severity from which feedback is urgent; the score is of dissatisfaction; none: the model's.",
    )
