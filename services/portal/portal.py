"""The collaborators of every route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.portal.audit import Audit
    from services.portal.commitments import CommitmentStore
    from services.portal.copies import PageCopy
    from services.portal.corrections import CorrectionStore
    from services.portal.directory import DirectoryFile
    from services.portal.protection import Limit
    from services.portal.provider import Provider
    from services.portal.published import PublishedStore
    from services.portal.receipts import Receipts
    from services.portal.recordings import Recordings
    from services.portal.sessions import SessionStore
    from services.portal.settings import PortalSettings
    from services.portal.subscriptions_offer import Subscribing
    from services.portal.urgent import UrgentStore
    from services.portal.urgent_words import UrgentWords
    from services.portal.views import Views
    from shared.digests import ThemeDigest
    from shared.held import SummaryHeld
    from shared.sources import PageSources
    from shared.summaries import LearningSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """What routes work with.

    Attributes:
        directory: teams and members, as the catalogue has them now.
        sources: which feedback a page's quotes are of; see `copies.of_page`.
        held: pages that a rule keeps from their team.
        limit: on tries to sign in.
        provider: who vouches for people; None: links only.
        subscribing: what subscriptions work with; None: there are none here.
        receipts: asks the gateway for patients; None: they have no pages here.
        words: asks it for what was said, where that is urgent; None: reasons only.
        recordings: signs links to recordings; None: none are shown.
    """

    settings: PortalSettings
    directory: DirectoryFile
    pages: PublishedStore[LearningSummary]
    digests: PublishedStore[ThemeDigest]
    sources: PageCopy[PageSources]
    held: PageCopy[SummaryHeld]
    corrections: CorrectionStore
    commitments: CommitmentStore
    urgent: UrgentStore
    sessions: SessionStore
    audit: Audit
    views: Views
    limit: Limit
    provider: Provider | None
    subscribing: Subscribing | None
    receipts: Receipts | None
    words: UrgentWords | None
    recordings: Recordings | None

    @property
    def session_cookie(self) -> str:
        """Its name; with `__Host-` a browser takes it over TLS only, and from no other host of the domain."""
        return self._cookie("heed-session")

    @property
    def form_cookie(self) -> str:
        """The name of the cookie that guards forms before a session is there."""
        return self._cookie("heed-form")

    @property
    def state_cookie(self) -> str:
        """The name of the cookie that ties an identity provider's answer to the browser that asked."""
        return self._cookie("heed-state")

    def _cookie(self, name: str) -> str:
        return f"__Host-{name}" if self.settings.is_secure else name
