"""What the gateway does with a recording: declares it, hands out forms, and passes it on when its files are there.

No byte of a file comes through here. The sender uploads to the bucket itself, with a form that holds for one key, size
and type.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from services.gateway import problems
from services.gateway.problems import Problem
from services.gateway.recording import Limits, read_recording
from services.gateway.upload_store import OPEN, Closed
from services.gateway.uploads import prepare_upload
from shared import telemetry
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from services.gateway.handlers import Gateway
    from services.gateway.integrations import Integration
    from services.gateway.upload_store import Upload, UploadStore
    from services.gateway.uploads import PreparedUpload
    from shared.objects import ObjectStore, UploadForm

CLOSED = {
    Closed.WITHDRAWN: problems.withdrawn,
    Closed.HAS_NO_FILES: problems.has_no_files,
    Closed.UPLOADED: problems.already_uploaded,
}


@dataclass(frozen=True, slots=True)
class Recordings:
    """What the handlers of recordings stand on, where the installation takes any."""

    store: UploadStore
    bucket: ObjectStore


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a declaration is answered with.

    Attributes:
        is_new: its first time.
        state: `waiting_for_upload`, or what became of files that were handed in before; then there are no forms.
        forms: by the file's role.
    """

    media_id: UUID
    receipt: str
    is_new: bool
    state: str
    forms: Mapping[str, UploadForm]


async def declare_recording(gateway: Gateway, integration: Integration, body: bytes) -> Ticket:
    """Take a declaration down durably and hand out forms for its files; again is answered with fresh ones.

    Raises:
        Problem: it is not valid, or its id is taken, or this installation takes no recordings.
        TransientFault: the database is away; nothing was written.
    """
    recordings = _recordings(gateway)
    settings, now = gateway.settings, gateway.clock()
    limits = Limits(settings.media_largest, settings.media_retention_choices)
    try:
        given = prepare_upload(read_recording(body, now, limits), integration, gateway.pseudonyms, limits, now)
    except Problem:
        telemetry.count(Metric.UPLOADS, 1, {"outcome": "refused"})
        raise
    forms = await _forms(recordings.bucket, given, timedelta(seconds=settings.media_form_lifetime))
    until = max(form.expires_at for form in forms.values())
    declared = await recordings.store.declare(integration.id, given, until, now)
    if isinstance(declared, Closed):
        telemetry.count(Metric.UPLOADS, 1, {"outcome": declared.value})
        raise CLOSED[declared]()
    is_open = declared.state in OPEN
    telemetry.count(Metric.UPLOADS, 1, {"outcome": "declared" if declared.is_new else "declared again"})
    return Ticket(given.media_id, declared.receipt, declared.is_new, declared.state, forms if is_open else {})


async def _forms(bucket: ObjectStore, given: PreparedUpload, lifetime: timedelta) -> dict[str, UploadForm]:
    return {
        file.role: await bucket.form(file.object_key, file.size, file.content_type, lifetime) for file in given.files
    }


@dataclass(frozen=True, slots=True)
class Completed:
    """A recording that was handed on."""

    media_id: UUID
    receipt: str
    uploaded_at: datetime


async def complete_recording(
    gateway: Gateway, integration: Integration, media: str, traceparent: str | None
) -> Completed:
    """Hand a recording on once its files are in the bucket; again is answered the same and changes nothing.

    Raises:
        Problem: 404 for what this integration never declared, 409 where a file is missing, is not what was declared,
            or came too late, or it was withdrawn.
        TransientFault: the database or the bucket is away; nothing was written.
    """
    identity = _uuid(media)
    if identity is None:
        _recordings(gateway)
        raise problems.no_such_media()
    return await complete_declared(gateway, identity, integration.id, traceparent)


async def complete_declared(
    gateway: Gateway, identity: UUID, integration: str | None, traceparent: str | None
) -> Completed:
    """The same by the recording's id, for the integration that declared it, or for the bucket itself (None).

    Raises:
        Problem: as above.
        TransientFault: the database or the bucket is away; nothing was written.
    """
    recordings = _recordings(gateway)
    while True:
        upload = await recordings.store.find(integration, identity)
        if upload is None:
            raise problems.no_such_media()
        if upload.withdrawn:
            raise problems.withdrawn()
        if upload.state == "expired":
            raise problems.upload_expired()
        if upload.uploaded_at is not None:
            return Completed(identity, upload.receipt, upload.uploaded_at)
        if wrong := await _wrong_files(recordings.bucket, upload):
            telemetry.count(Metric.UPLOADS, 1, {"outcome": "not uploaded"})
            raise problems.not_uploaded(wrong)
        now = gateway.clock()
        if await recordings.store.complete(upload, now, traceparent):
            telemetry.count(Metric.UPLOADS, 1, {"outcome": "completed"})
            gateway.wake()
            return Completed(identity, upload.receipt, now)
        # It was completed, declared anew, forgotten or withdrawn while the bucket was asked.


async def _wrong_files(bucket: ObjectStore, upload: Upload) -> list[tuple[str, str]]:
    """The files that are not in the bucket as they were declared; their content nobody has looked at yet."""
    wrong: list[tuple[str, str]] = []
    for file in upload.files:
        found = await bucket.stat(file.object_key)
        if found is None:
            wrong.append((file.role, "was not uploaded"))
        elif (found.size, found.content_type) != (file.size, file.content_type):
            wrong.append((file.role, "is not what was declared last; upload it with the newest form"))
    return wrong


def _recordings(gateway: Gateway) -> Recordings:
    if gateway.recordings is None:
        raise problems.no_bucket()
    return gateway.recordings


def _uuid(given: str) -> UUID | None:
    """The id as we write it; other spellings of a UUID are not known here."""
    try:
        identity = UUID(given)
    except ValueError:
        return None
    return identity if str(identity) == given else None
