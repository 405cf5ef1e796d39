"""Takes one upload from quarantine to clean: fetched, measured, decoded apart, cleaned, stored."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from services.media.cues import Cue, transcript
from services.media.findings import CAPTIONS, POSTER, POSTER_TYPE, RECORDING, SOUND, Finding, Said, Task
from services.media.reasons import Reason, Refused
from services.media.sandbox import Ended, answered
from services.media.signatures import declared
from shared.errors import TransientFault
from shared.events import MAX_TEXT, FeedbackSubmitted
from shared.media import CleanFile, clean_folder
from shared.objects import ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from services.media.sandbox import Decoder
    from services.media.settings import MediaSettings
    from services.media.signatures import Declared
    from shared.media import MediaUploaded, UploadedFile
    from shared.objects import Downloaded, ObjectStore

log = logging.getLogger(__name__)

SPARE = 16 * 1024 * 1024
"""Bytes that a clean file may be larger than the original: another container's tables, a picture saved anew."""

SPEECH = "services.media.speech"
"""The module that recognises it, as a process."""

FOLDER = "heed-media-"
"""How the name of a folder for one upload begins."""

ABANDONED = 3600.0
"""Seconds after which nobody can still be at work in one."""

_SAID = TypeAdapter(tuple[Said, ...])


def quarantine(media_id: UUID) -> str:
    """The folder of what was uploaded."""
    return f"quarantine/{media_id}/"


def clean(media_id: UUID) -> str:
    """The folder of what was cleaned."""
    return clean_folder(media_id)


@dataclass(frozen=True, slots=True)
class Checked:
    """Clean files, in the bucket, and the feedback that they make."""

    feedback: FeedbackSubmitted
    files: tuple[CleanFile, ...]
    words_from: Literal["embedded", "captions", "speech"] | None


class Checker:
    """Checks uploads, one at a time. Nothing of a file ever is in this process's memory but a piece of it.

    Args:
        bucket: of the uploads.
        decoder: what looks into files.
        settings: limits, the folder for files in hand, the speech model.
    """

    def __init__(self, bucket: ObjectStore, decoder: Decoder, settings: MediaSettings) -> None:
        self._bucket = bucket
        self._decoder = decoder
        self._settings = settings

    async def check(self, event: MediaUploaded) -> Checked:
        """Fetch, check, clean and store the files of an upload; the originals stay.

        Raises:
            Refused: they are not accepted.
            TransientFault: the bucket is away, or there is no room on the disk.
        """
        with self._folder() as folder:
            task = await self._fetched(event, folder)
            finding = await self._found(task, max(file.size for file in event.files))
            files = await self._stored(event, finding, folder / "out")
        return Checked(_submitted(event, finding), files, finding.words_from)

    async def read_again(self, event: MediaUploaded, files: tuple[CleanFile, ...]) -> Checked:
        """What `check` found before, from the clean files that it stored.

        Raises:
            Refused: they are not there any more.
            TransientFault: see `check`.
        """
        with self._folder() as folder:
            given: dict[str, object] = {}
            for file in files:
                if file.role != "poster":
                    path = folder / file.role
                    await self._download(file.object_key, path, file.size)
                    purpose = event.kind if file.role == "recording" else "captions"
                    given |= _given(file.role, path, declared(file.content_type, purpose))
            finding = await self._found(self._task(event, given, folder), max(file.size for file in files))
        return Checked(_submitted(event, finding), files, finding.words_from)

    async def _found(self, task: Task, largest: int) -> Finding:
        finding = await self._decoder.find(task, largest + SPARE)
        if finding.sound and (said := await self._heard(Path(task.folder) / SOUND)):
            return finding.model_copy(update={"transcript": said, "words_from": "speech"})
        return finding

    def tidy(self) -> None:
        """Remove folders of checks that were killed: longer ago than any takes, so never another member's."""
        for path in Path(self._settings.media_scratch or tempfile.gettempdir()).glob(f"{FOLDER}*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > ABANDONED:
                    shutil.rmtree(path)
                    log.warning("removed files of a check that was killed")

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder that only we may read, gone at the end with all that is in it."""
        try:
            path = Path(tempfile.mkdtemp(prefix=FOLDER, dir=self._settings.media_scratch))
            (path / "out").mkdir(mode=0o700)
        except OSError as error:
            raise TransientFault(f"no folder for files in hand ({error.strerror}); see HEED_MEDIA_SCRATCH") from error
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    async def _fetched(self, event: MediaUploaded, folder: Path) -> Task:
        given: dict[str, object] = {}
        for file in event.files:
            purpose = event.kind if file.role == "recording" else "captions"
            wanted = declared(file.content_type, purpose)
            path = folder / file.role
            await self._fetch(event, file, path)
            given |= _given(file.role, path, wanted)
        return self._task(event, given, folder)

    def _task(self, event: MediaUploaded, given: dict[str, object], folder: Path) -> Task:
        if "recording" not in given:
            raise Refused(Reason.FILE_MISSING)
        return Task.model_validate(
            {
                **given,
                "kind": event.kind,
                "folder": str(folder / "out"),
                "poster": event.consent.poster,
                "sound": self._settings.media_speech_model is not None,
                "room": MAX_TEXT - len(event.feedback.text),
                "most_seconds": self._settings.media_most_seconds,
                "decode_seconds": self._settings.media_decode_seconds / 3,
            }
        )

    async def _fetch(self, event: MediaUploaded, file: UploadedFile, path: Path) -> None:
        """Download it as far as it was declared to go, and compare.

        A key outside of the upload's own folder is not followed: nobody reads another's file by declaring it theirs.
        """
        if file.object_key != f"{quarantine(event.media_id)}{file.role}":
            raise Refused(Reason.FILE_MISSING)
        got = await self._download(file.object_key, path, file.size)
        if got.size == 0:
            raise Refused(Reason.EMPTY_FILE)
        if got.size != file.size:
            raise Refused(Reason.WRONG_SIZE)
        if got.sha256 != file.sha256:
            raise Refused(Reason.WRONG_CHECKSUM)

    async def _download(self, key: str, path: Path, most: int) -> Downloaded:
        try:
            return await self._bucket.download(key, path, most=most)
        except ObjectMissing:
            raise Refused(Reason.FILE_MISSING) from None

    async def _heard(self, samples: Path) -> tuple[Said, ...]:
        """What the operator's model makes of the sound; nothing where it fails: the voice counts all the same."""
        model = self._settings.media_speech_model
        assert model is not None
        try:
            answer = await answered(SPEECH, [str(model), str(samples)], b"", self._settings.media_speech_seconds)
            said = transcript((Cue(one.start, one.end, one.text) for one in _SAID.validate_json(answer)), MAX_TEXT // 2)
        except (Ended, ValidationError, Refused) as failure:
            log.warning("speech was not recognised (%s); see HEED_MEDIA_SPEECH_MODEL", type(failure).__name__)
            return ()
        return tuple(Said(start=cue.start, end=cue.end, text=cue.text) for cue in said)

    async def _stored(self, event: MediaUploaded, finding: Finding, folder: Path) -> tuple[CleanFile, ...]:
        """Upload what was cleaned, in place of what an interrupted try may have left."""
        await self._bucket.erase(clean(event.media_id))
        types = {file.role: file.content_type.partition(";")[0].strip().lower() for file in event.files}
        wanted = {RECORDING: types["recording"], CAPTIONS: "text/vtt", POSTER: POSTER_TYPE}
        files = []
        for role, content_type in wanted.items():
            path = folder / role
            if (role == CAPTIONS and "captions" not in types) or (role == POSTER and not finding.poster):
                continue
            size = await asyncio.to_thread(_size, path)
            key = f"{clean(event.media_id)}{role}"
            await self._bucket.upload(key, path, content_type)
            files.append(
                CleanFile.model_validate({"role": role, "object_key": key, "content_type": content_type, "size": size})
            )
        return tuple(files)


def _given(role: str, path: Path, is_: Declared) -> dict[str, object]:
    """A file's part of a task."""
    return {role: str(path), "format" if role == "recording" else "captions_format": is_.format}


def _size(path: Path) -> int:
    """Of a file that the decoding process says it wrote; a link or a missing one would be its lie."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size == 0:
        raise Refused(Reason.DECODER_ENDED)
    return path.stat().st_size


def _submitted(event: MediaUploaded, finding: Finding) -> FeedbackSubmitted:
    """The feedback as the analysis service reads it: its words with their times, and what they were said in."""
    recording = next(file for file in event.files if file.role == "recording")
    said = [{"start_seconds": one.start, "end_seconds": one.end, "text": one.text} for one in finding.transcript]
    reference = {
        "media_id": str(event.media_id),
        "content_type": recording.content_type,
        "duration_seconds": finding.seconds,
        "stored": True,
    }
    try:
        return FeedbackSubmitted.model_validate(
            {**event.feedback.model_dump(), "transcript": said, "media": [reference]}
        )
    except ValidationError:  # what it says about the times is not so
        raise Refused(Reason.DECODER_ENDED) from None
