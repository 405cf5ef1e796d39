"""From `media-uploaded` to `feedback-submitted` and `media-checked`; from `feedback-withdrawn` to nothing left."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.media.checking import clean, quarantine
from services.media.reasons import Reason, Refused
from services.media.store import Media
from shared import telemetry
from shared.media import MediaChecked
from shared.publisher import record
from shared.telemetry import Metric
from shared.topics import FEEDBACK_SUBMITTED, MEDIA_CHECKED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.media.checking import Checked, Checker
    from services.media.store import Known, MediaStore
    from shared.consumer import Delivery
    from shared.events import FeedbackSubmitted, FeedbackWithdrawn
    from shared.media import MediaUploaded
    from shared.objects import ObjectStore
    from shared.publisher import Publisher, Record

log = logging.getLogger(__name__)

SERVICE = "media"


def utc_now() -> datetime:
    """The clock, unless a test brings its own."""
    return datetime.now(UTC)


class MediaHandler:
    """The effects of both topics. Idempotent by media id and version: what is decided about one stays.

    Args:
        store: what became of media.
        bucket: where their files are.
        checker: looks into them.
        publisher: where decisions go.
        now: the clock.
    """

    def __init__(
        self,
        store: MediaStore,
        bucket: ObjectStore,
        checker: Checker,
        publisher: Publisher,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._checker = checker
        self._publisher = publisher
        self._now = now

    async def on_media_uploaded(self, deliveries: Sequence[Delivery[MediaUploaded]]) -> None:
        """Check each upload, or have it wait for a person.

        Raises:
            TransientFault: Kafka, PostgreSQL or the bucket is away, or the disk is full; nothing is decided.
        """
        for delivery in deliveries:
            await self._take(delivery.event, delivery.traceparent)

    async def on_feedback_withdrawn(self, deliveries: Sequence[Delivery[FeedbackWithdrawn]]) -> None:
        """Erase the files of each, in every version; those that come later are erased when they do.

        Raises:
            TransientFault: Kafka, PostgreSQL or the bucket is away; what is left is erased at the next try.
        """
        withdrawn = [(delivery.event.feedback_id, delivery.event.withdrawn_at) for delivery in deliveries]
        for media in await self._store.withdraw(withdrawn):
            await self.erase(media, Reason.WITHDRAWN)

    async def erase(self, media: Media, reason: Reason) -> None:
        """Delete every version of all files, say so, and write down how many there were.

        Raises:
            TransientFault: see above.
        """
        number = await self._bucket.erase(quarantine(media.media_id)) + await self._bucket.erase(clean(media.media_id))
        now = self._now()
        checked = MediaChecked(
            media_id=media.media_id,
            feedback_id=media.feedback_id,
            state="erased",
            reason=reason.value,
            checked_at=now,
        )
        await self._publisher.send([record(MEDIA_CHECKED, checked, SERVICE)])
        await self._store.erased(media, reason, number, now)
        _count(checked)

    async def reject(self, event: MediaUploaded, reason: Reason, traceparent: str | None = None) -> None:
        """Say why, hand on what the submitter wrote beside the files, and delete these.

        Raises:
            TransientFault: see above.
        """
        written = event.feedback if event.feedback.text.strip() else None
        if await self._decided(event, self._checked(event, "rejected", reason), written, traceparent):
            await self._bucket.erase(clean(event.media_id))  # of an earlier version, which this one replaces
            await self._clear(event)

    async def _take(self, event: MediaUploaded, traceparent: str | None) -> None:
        known = await self._store.known(event)
        if known.withdrawn:
            if known.state != "erased":
                await self.erase(_media(event), Reason.WITHDRAWN)
            return
        if event.feedback.version < known.version:
            return  # of an older upload; what is in quarantine now is not its
        state = known.state if event.feedback.version == known.version else None
        if state in {"accepted", "rejected", "erased"}:
            await self._tell_again(event, known, traceparent)
            await self._clear(event, again=True)
        elif state == "refused":
            await self.reject(event, Reason.REFUSED, traceparent)
        elif reason := _needs_a_person(event, released=state == "released"):
            if state is None:
                await self._decided(event, self._checked(event, "held", reason), None, traceparent)
        else:
            await self._check(event, traceparent)

    async def _tell_again(self, event: MediaUploaded, known: Known, traceparent: str | None) -> None:
        """Say what was decided once more: to readers that had it, it is no news, and a broker may have lost it.

        The trial stack's does whenever it stops. What was said stands nowhere but in the clean files.
        """
        assert known.state in {"accepted", "rejected", "erased"}
        checked = self._checked(event, known.state, known.reason)
        feedback = event.feedback if known.state == "rejected" and event.feedback.text.strip() else None
        if known.state == "accepted":
            try:
                found = await self._checker.read_again(event, known.files)
            except Refused:
                return  # erased while we looked
            feedback = found.feedback
            checked = checked.model_copy(update={"transcript": found.words_from, "files": found.files})
        await self._publisher.send(_records(checked, feedback, traceparent))

    async def _check(self, event: MediaUploaded, traceparent: str | None) -> None:
        begun = time.monotonic()
        try:
            found = await self._checker.check(event)
        except Refused as refused:
            log.info("media %s rejected: %s", event.media_id, refused.reason.value)
            await self.reject(event, refused.reason, traceparent)
        else:
            await self._accept(event, found, traceparent)
        telemetry.record(Metric.MEDIA_SECONDS, time.monotonic() - begun, {"kind": event.kind})

    async def _accept(self, event: MediaUploaded, found: Checked, traceparent: str | None) -> None:
        checked = self._checked(event, "accepted", None)
        checked = checked.model_copy(update={"transcript": found.words_from, "files": found.files})
        if await self._decided(event, checked, found.feedback, traceparent):
            await self._clear(event)

    async def _decided(
        self,
        event: MediaUploaded,
        checked: MediaChecked,
        feedback: FeedbackSubmitted | None,
        traceparent: str | None,
    ) -> bool:
        """Whether it could be; where the feedback was withdrawn in the meantime, all of it is erased instead."""
        records = _records(checked, feedback, traceparent)
        expires_at = event.feedback.received_at + timedelta(days=event.retention_days)
        if await self._store.decide(event, checked, lambda: self._publisher.send(records), expires_at):
            _count(checked)
            return True
        await self.erase(_media(event), Reason.WITHDRAWN)
        return False

    async def _clear(self, event: MediaUploaded, *, again: bool = False) -> None:
        """Delete the originals; on a second delivery, too: the first may have ended before it came to that."""
        number = await self._bucket.erase(quarantine(event.media_id))
        if number or not again:
            await self._store.deleted(event.media_id, number, self._now())

    def _checked(self, event: MediaUploaded, state: str, reason: Reason | None) -> MediaChecked:
        return MediaChecked.model_validate(
            {
                "media_id": event.media_id,
                "feedback_id": event.feedback.feedback_id,
                "state": state,
                "reason": reason and reason.value,
                "checked_at": self._now(),
            }
        )


def _records(checked: MediaChecked, feedback: FeedbackSubmitted | None, traceparent: str | None) -> list[Record]:
    """A decision's events, what was said first: should the second be refused, the voice is heard."""
    records = [record(MEDIA_CHECKED, checked, SERVICE, traceparent)]
    if feedback is not None:
        records.insert(0, record(FEEDBACK_SUBMITTED, feedback, SERVICE, traceparent))
    return records


def _media(event: MediaUploaded) -> Media:
    return Media(event.media_id, event.feedback.feedback_id)


def _needs_a_person(event: MediaUploaded, *, released: bool) -> Reason | None:
    """Why nobody and nothing may look into the files before a person has decided; None where that is not so."""
    if not event.consent.resolved:
        return Reason.CONSENT_UNRESOLVED
    if event.feedback.submitter.age_band == "under_16" and not released:
        return Reason.UNDER_16
    return None


def _count(checked: MediaChecked) -> None:
    telemetry.count(Metric.MEDIA, 1, {"state": checked.state, "reason": checked.reason or "none"})
