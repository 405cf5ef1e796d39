"""What subscriptions can be told; a part of the portal's settings."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from services.portal.channels import HOSTED
from services.portal.deliveries import Retries
from shared.settings import Seconds, Secret, ServiceSettings


def _networks(given: str) -> str:
    for each in listed(given):
        try:
            ip_network(each)
        except ValueError:
            raise ValueError("a list of networks, such as 10.20.0.0/16,127.0.0.1/32") from None
    return given


def listed(given: str) -> tuple[str, ...]:
    """The parts of a comma-separated list, in lower case."""
    return tuple(part.strip().lower() for part in given.split(",") if part.strip())


class SubscriptionSettings(ServiceSettings):
    """How pages are delivered, to where, and for how long it is tried."""

    portal_subscription_key: Secret | None = Field(
        None,
        description="Key (32 characters or more) that seals where subscriptions send to, and signs the links that end "
        "them; none: no subscriptions. Changing it makes those that are there unusable.",
    )
    portal_mail: SecretStr | None = Field(
        None,
        description="Mail server as an Apprise URL, such as `mailtos://user:password@host?from=heed@host`; none: no "
        "e-mail.",
    )
    portal_mail_domains: str = Field(
        "", description="Domains that may be written to, comma-separated, with their subdomains; empty: any."
    )
    portal_apprise_services: str = Field(
        ",".join(sorted(HOSTED)),
        description="Services of Apprise that people may use beside e-mail, Teams and Slack, comma-separated.",
    )
    portal_private_targets: Annotated[str, AfterValidator(_networks)] = Field(
        "", description="Networks that webhooks may reach although they are not public, comma-separated."
    )
    portal_delivery_poll: Seconds = Field(2.0, description="Seconds between looks at what is due to be delivered.")
    portal_delivery_attempts: int = Field(
        24,
        ge=1,
        le=1_000,
        description="Attempts after which a delivery is dead; with the pauses below, three to seven days.",
    )
    portal_delivery_pause: Seconds = Field(30.0, description="Seconds before the second attempt; then doubled.")
    portal_delivery_pause_max: Seconds = Field(43_200.0, description="Seconds between two attempts at most.")
    portal_delivery_retention_days: float = Field(
        90, gt=0, description="Days that deliveries stay on record once they are settled."
    )
    portal_membership_days: float = Field(
        90, gt=0, description="Days that what the identity provider said at a sign-in counts for deliveries."
    )

    @property
    def mail_domains(self) -> tuple[str, ...]:
        """Domains that may be written to; none: any."""
        return listed(self.portal_mail_domains)

    @property
    def apprise_services(self) -> tuple[str, ...]:
        """Schemas of Apprise that people may use."""
        return listed(self.portal_apprise_services)

    @property
    def private_targets(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks that may be reached although they are not public."""
        return tuple(ip_network(each) for each in listed(self.portal_private_targets))

    @property
    def retries(self) -> Retries:
        """How long and how often a delivery is tried."""
        return Retries(self.portal_delivery_attempts, self.portal_delivery_pause, self.portal_delivery_pause_max)
