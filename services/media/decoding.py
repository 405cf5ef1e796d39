"""One task of the decoding process: a recording, or a picture, and its captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from services.media import captions, images, recordings
from services.media.cues import transcript
from services.media.findings import CAPTIONS, POSTER, RECORDING, SOUND, Finding, Said, Task
from services.media.signatures import CONTENT_TYPES, Declared, inspect

if TYPE_CHECKING:
    from services.media.cues import Cue
    from services.media.signatures import Format, Purpose


def found(task: Task) -> Finding:
    """Look into the files of a task and write clean ones.

    Raises:
        Refused: one of them is not accepted.
        OSError: the disk, and, as FFmpeg tells it, memory.
    """
    path, folder = Path(task.recording), Path(task.folder)
    _inspect(path, task.kind, task.format)
    uploaded = _captions(task)
    if task.kind == "image":
        images.saved_anew(path, folder / RECORDING, task.format)
        return Finding()
    how = (path, task.format, task.kind, task.most_seconds)
    with recordings.looked_into(*how) as recording:
        poster = folder / POSTER if task.poster and task.kind == "video" else None
        shown = recordings.tried(recording, task.decode_seconds, poster)
    with recordings.looked_into(*how) as recording:
        embedded = recordings.copied(recording, folder / RECORDING, task.format, task.most_seconds)
        seconds = min(max(recording.seconds, 0.0), 86_400.0)
    said = uploaded or transcript(embedded, task.room)
    sound = False
    if task.sound and not said:
        with recordings.looked_into(*how) as recording:
            sound = recordings.samples(recording, folder / SOUND)
    return Finding(
        seconds=seconds,
        transcript=tuple(Said(start=cue.start, end=cue.end, text=cue.text) for cue in said),
        words_from=("captions" if uploaded else "embedded") if said else None,
        poster=shown,
        sound=sound,
    )


def _captions(task: Task) -> tuple[Cue, ...]:
    """What uploaded captions say; a clean copy is written."""
    if task.captions is None or task.captions_format is None:
        return ()
    path = Path(task.captions)
    _inspect(path, "captions", task.captions_format)
    said = transcript(captions.read(path, task.captions_format), task.room)
    (Path(task.folder) / CAPTIONS).write_text(captions.written(said), encoding="utf-8")
    return said


def _inspect(path: Path, purpose: Purpose, format_: Format) -> None:
    expected = Declared(purpose, format_)
    assert expected in CONTENT_TYPES.values(), "a task names what can be declared"
    with path.open("rb") as file:
        inspect(file, path.stat().st_size, expected)
