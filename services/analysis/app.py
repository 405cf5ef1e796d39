"""Wires the analysis service: model, reader, one worker thread, one consumer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from services.analysis.encoder import Encoder
from services.analysis.handlers import SERVICE, SubmittedHandler
from services.analysis.labels import LabelFile
from services.analysis.network import ModelError
from services.analysis.operator_model import Classifier, OperatorEncoder
from services.analysis.reader import Reader, TextEncoder
from services.analysis.roles import urgent_roles
from services.analysis.settings import AnalysisSettings
from shared.consumer import BatchConsumer
from shared.errors import UsageError
from shared.events import FeedbackSubmitted
from shared.publisher import Publisher
from shared.service import Running
from shared.topics import FEEDBACK_SUBMITTED


def allow_list(settings: AnalysisSettings) -> tuple[str, ...]:
    """The names given by the setting and by the catalogue file.

    Raises:
        UsageError: the file cannot be read, or is not a catalogue.
    """
    if settings.allow_list_file is None:
        return settings.allow_list
    return (*settings.allow_list, *_catalogue_entries(settings.allow_list_file))


def _catalogue_entries(path: Path) -> list[str]:
    try:
        catalogue = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"HEED_ALLOW_LIST_FILE: cannot read {path} as YAML ({type(error).__name__})") from None
    entries = (catalogue.get("allow_list") or []) if isinstance(catalogue, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise UsageError(f"HEED_ALLOW_LIST_FILE: {path} needs `allow_list`, a list of names")
    return entries


def build_reader(settings: AnalysisSettings) -> Reader:
    """Load the model, which takes about a second, and wire it to the rules.

    Raises:
        UsageError: the model folder, the allow-list file, or the operator's own model or its labels are missing or
            wrong.
    """
    spared = allow_list(settings)
    try:
        encoder = Encoder(
            settings.analysis_model_folder, threads=settings.analysis_threads, precision=settings.analysis_precision
        )
    except ModelError as error:
        raise UsageError(str(error)) from None
    return Reader(_with_theirs(encoder, settings), spared, settings.name_threshold, settings.severity_threshold)


def _with_theirs(ours: Encoder, settings: AnalysisSettings) -> TextEncoder:
    """Our encoder, with the operator's own model beside it where there is one."""
    if settings.analysis_model is None:
        if settings.analysis_model_labels is not None:
            raise UsageError("HEED_ANALYSIS_MODEL_LABELS is of no use without HEED_ANALYSIS_MODEL: set both or none")
        return ours
    file = LabelFile.load(settings.analysis_model_labels)
    return OperatorEncoder(ours, Classifier(settings.analysis_model, settings.analysis_threads), file)


@asynccontextmanager
async def running(settings: AnalysisSettings, publisher: Publisher) -> AsyncIterator[Running]:
    """The service at work; it is ready once the model is loaded.

    Raises:
        UsageError: see `build_reader`.
    """
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")
    try:
        reader = await asyncio.wrap_future(worker.submit(build_reader, settings))
        role_of = urgent_roles(settings.allow_list_file)
        handler = SubmittedHandler(reader, worker, publisher, role_of=role_of)
        consumer: BatchConsumer[FeedbackSubmitted] = BatchConsumer(
            service=SERVICE,
            topic=FEEDBACK_SUBMITTED,
            effect=handler.on_feedback_submitted,
            publisher=publisher,
            settings=settings,
        )

        async def model_loaded() -> bool:
            return reader.model_version != ""

        yield Running(consumers=[consumer], checks={"model": model_loaded})
    finally:
        worker.shutdown(wait=True, cancel_futures=True)
