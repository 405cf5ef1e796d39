"""Sends messages through Apprise: e-mail, Microsoft Teams, Slack, and other services that the operator allows.

Apprise blocks and logs what it sends to whom, and what it was answered. So it runs in its own threads under a time
limit, its log is off, and nothing comes out of it but a code.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import apprise

from services.portal.channels import TAKEN, Channel, Outcome, Verdict
from services.portal.webhook_targets import TargetAway
from shared.errors import UsageError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from services.portal.deliveries_message import Message
    from services.portal.webhook_targets import Targets

SEND_LIMIT = 30.0
"""Seconds that one message may take in all."""

PAUSE_LIMIT = 10.0
"""Seconds to connect, and to wait for an answer."""


class AppriseChannels:
    """Sends to one target at a time.

    Args:
        mail: Apprise URL of the mail server, such as `mailtos://user:password@host?from=heed@host`; None: no e-mail.
        targets: which hosts may be reached where a person names one.
    """

    def __init__(self, mail: SecretStr | None, targets: Targets) -> None:
        self._mail = mail
        self._targets = targets
        # It names recipients, and quotes answers; the outcome is told by our own metric and reason.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        self._asset = apprise.AppriseAsset(
            app_id="Heed",
            app_desc="Heed",
            app_url="",
            image_url_mask=None,
            image_url_logo=None,
            http_redirects=False,
            pgp_autogen=False,
            pem_autogen=False,
            storage_mode=apprise.PersistentStoreMode.MEMORY,
            service_timeout=SEND_LIMIT,
            language="en",
        )

    async def check(self, channel: Channel, target: str) -> None:
        """See whether a target can be used.

        Raises:
            UsageError: Apprise does not know it, or its host may not be reached.
        """
        if channel is Channel.EMAIL and self._mail is None:
            raise UsageError("e-mail is not set up here; ask your operator for HEED_PORTAL_MAIL")
        service = self._service(channel, target, None)
        if service is None:
            raise UsageError("this URL is not complete; Apprise's documentation shows how it is written")
        try:
            await self._check_host(channel, service)
        except TargetAway:
            raise UsageError("this host's name is not known; is it spelt right?") from None

    async def send(self, channel: Channel, target: str, message: Message) -> Outcome:
        """Send one message once."""
        service = self._service(channel, target, message)
        if service is None:
            return Outcome(Verdict.REFUSED, "target_not_usable")
        try:
            await self._check_host(channel, service)
        except UsageError:
            return Outcome(Verdict.REFUSED, "target_not_allowed")
        except TargetAway:
            return Outcome(Verdict.AWAY, "name_not_known")
        sender = apprise.Apprise(asset=self._asset)
        sender.add(service)
        result = await sender.async_notify(
            body=message.body, title=message.title, body_format=apprise.NotifyFormat.TEXT, timeout=SEND_LIMIT
        )
        if result:
            return TAKEN
        late = result.status == apprise.AppriseResultStatus.TIMEOUT
        return Outcome(Verdict.AWAY, "timeout" if late else "not_accepted")

    def _service(self, channel: Channel, target: str, message: Message | None) -> Any:
        """Apprise's object for a target; None where it cannot make one."""
        url = self._mail_url(target, message) if channel is Channel.EMAIL else target
        service = apprise.Apprise.instantiate(url, asset=self._asset) if url else None
        if service is not None:
            service.socket_connect_timeout = service.socket_read_timeout = PAUSE_LIMIT
        return service

    def _mail_url(self, address: str, message: Message | None) -> str | None:
        if self._mail is None:
            return None
        server = self._mail.get_secret_value()
        options = {"to": address, "format": "text"}
        if message is not None:
            # RFC 8058: a mail program can stop them with one press and without a page.
            options["+List-Unsubscribe"] = f"<{message.unsubscribe}>"
            options["+List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            options["+Auto-Submitted"] = "auto-generated"
        given = "&".join(f"{quote(name, safe='+')}={quote(value, safe='')}" for name, value in options.items())
        return f"{server}{'&' if '?' in server else '?'}{given}"

    async def _check_host(self, channel: Channel, service: Any) -> None:
        """Where a person named the host, see that it may be reached."""
        if channel is not Channel.APPRISE or not any("{host}" in form for form in service.templates):
            return
        port = service.port if isinstance(service.port, int) else 443
        await self._targets.host_address(str(service.host), port, secure=bool(service.secure))
