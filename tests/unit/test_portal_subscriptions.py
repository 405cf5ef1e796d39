"""What may be given as a target, and what is shown of it again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import apprise
import pytest
from pydantic import SecretStr

from services.portal.channels import (
    HOSTED,
    Channel,
    apprise_target,
    email_target,
    shown,
    slack_target,
    teams_target,
)
from services.portal.channels_apprise import AppriseChannels
from services.portal.subscriptions_offer import Offer, in_words
from services.portal.subscriptions_settings import SubscriptionSettings
from services.portal.webhook import Webhooks, webhook_client
from services.portal.webhook_targets import Targets
from shared.errors import UsageError
from shared.settings import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SLACK = "https://hooks.slack.com/services/T0000/B0000/abcdefghijklmnopqrstuvwx"
TEAMS = (
    "https://prod-01.uksouth.logic.azure.com:443/workflows/643e69f83c8944438d68119179a10a64/triggers/manual/paths/"
    "invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abcdefghij_klmnop-qrstuvwxyz0123456789ABCD"
)


@pytest.mark.parametrize("address", ["ward.9@example.nhs.uk", "a+b@nhs.net", " o'neil@example.org "])
def test_an_address_is_taken(address: str) -> None:
    assert email_target(address, ()) == address.strip()


@pytest.mark.parametrize(
    "address", ["", "ward", "ward@", "@nhs.net", "a@b", "a b@nhs.net", "a@nhs.net,b@nhs.net", "a@nhs.net\nBcc: b@c.de"]
)
def test_what_is_no_address_is_not(address: str) -> None:
    with pytest.raises(UsageError):
        email_target(address, ())


def test_only_some_domains_may_be_written_to() -> None:
    assert email_target("a@Trust.NHS.uk", ["nhs.uk"])
    for address in ("a@example.org", "a@notnhs.uk", "a@nhs.uk.example.org"):
        with pytest.raises(UsageError, match=r"nhs\.uk"):
            email_target(address, ["nhs.uk"])


def test_slacks_and_teams_own_urls_are_taken() -> None:
    assert slack_target(SLACK) == SLACK
    assert teams_target(TEAMS) == TEAMS
    assert type(apprise.Apprise.instantiate(SLACK)).__name__ == "NotifySlack"
    assert type(apprise.Apprise.instantiate(TEAMS)).__name__ == "NotifyWorkflows"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/services/T0000/B0000/abc",
        "https://hooks.slack.com.example.org/services/T0000/B0000/abc",
        f"{SLACK}?template=/etc/passwd",
        "http://hooks.slack.com/services/T0000/B0000/abc",
    ],
)
def test_another_url_is_not_slacks(url: str) -> None:
    with pytest.raises(UsageError):
        slack_target(url)


@pytest.mark.parametrize(
    "url",
    [
        TEAMS.replace("logic.azure.com", "example.org"),
        TEAMS.replace("logic.azure.com", "logic.azure.com.example.org"),
        f"{TEAMS}&template=/etc/passwd",
        f"{TEAMS}&template=file:///etc/passwd",
        TEAMS.replace("https://prod", "https://user@prod"),
        TEAMS.replace(":443", ":8443"),
    ],
)
def test_another_url_is_not_teams(url: str) -> None:
    with pytest.raises(UsageError):
        teams_target(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "discord",
        "discord://",
        "json://127.0.0.1/",
        "file:///etc/passwd",
        "discord://1/2?template=/etc/passwd",
        "discord://1/2 3",
    ],
)
def test_what_apprise_may_not_be_asked_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        apprise_target(url, HOSTED)


@pytest.mark.parametrize("schema", sorted(HOSTED))
def test_a_service_that_people_may_use_by_default_names_no_host(schema: str) -> None:
    plugin: Any = apprise.plugins.N_MGR[schema]
    assert not any("{host" in form for form in plugin.templates)


@pytest.mark.parametrize(
    ("channel", "target", "told"),
    [
        (Channel.EMAIL, "ward.9@example.nhs.uk", "w…@example.nhs.uk"),
        (Channel.SLACK, SLACK, "hooks.slack.com/…"),
        (Channel.TEAMS, TEAMS, "prod-01.uksouth.logic.azure.com/…"),
        (Channel.WEBHOOK, "https://example.org/secret?key=1", "example.org/…"),
        (Channel.APPRISE, "discord://1234/token", "discord://…"),
        (Channel.FEED, "", "private address"),
    ],
)
def test_what_is_shown_of_a_target_opens_nothing(channel: Channel, target: str, told: str) -> None:
    assert shown(channel, target) == told


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("not_connected", "could not be reached"),
        ("http_410", "refused"),
        ("http_503", "in trouble"),
        ("http_307", "moved"),
        ("unexpected:KeyError", "something went wrong here"),
        (None, "something went wrong here"),
    ],
)
def test_a_reason_is_told_in_words(reason: str | None, words: str) -> None:
    assert words in in_words(reason)


async def test_a_host_that_a_person_names_is_looked_at() -> None:
    channels = AppriseChannels(None, Targets())
    with pytest.raises(UsageError, match="public internet"):
        await channels.check(Channel.APPRISE, "jsons://127.0.0.1/")
    allowed = AppriseChannels(None, Targets([ip_network("127.0.0.0/8")]))
    await allowed.check(Channel.APPRISE, "json://127.0.0.1/")


async def test_without_a_mail_server_there_is_no_mail() -> None:
    with pytest.raises(UsageError, match="HEED_PORTAL_MAIL"):
        await AppriseChannels(None, Targets()).check(Channel.EMAIL, "a@nhs.net")


async def test_an_address_adds_no_option_to_the_mail_servers_url() -> None:
    channels = AppriseChannels(SecretStr("mailto://127.0.0.1:1?from=heed@nhs.net"), Targets())
    service = channels._service(Channel.EMAIL, "a&smtp=example.org@nhs.net", None)
    assert service.smtp_host == "127.0.0.1"
    assert [address for _, address in service.targets] == ["a&smtp=example.org@nhs.net"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"channel": ""}, "choose how you want"),
        ({"channel": "pigeon"}, "choose how you want"),
        ({"channel": "apprise", "target": "discord://1/2"}, "choose how you want"),
        ({"frequency": "hourly"}, "choose how often"),
        ({"target": " "}, "write where"),
        ({"target": "ward 9"}, "not an e-mail address"),
        ({"channel": "webhook", "target": "http://8.8.8.8/"}, "begins with https://"),
        ({"channel": "webhook", "target": "https://127.0.0.1/"}, "not on the public internet"),
        ({"channel": "webhook", "target": "https://169.254.169.254/latest/meta-data/"}, "not on the public internet"),
        ({"channel": "webhook", "target": "https://[::ffff:10.0.0.1]/"}, "not on the public internet"),
        ({"channel": "slack", "target": "https://example.org/"}, "not Slack's"),
        ({"channel": "teams", "target": "https://example.org/"}, "not a workflow of Teams"),
    ],
)
async def test_a_form_that_cannot_be_served_says_why(given: dict[str, str], problem: str) -> None:
    form = {"channel": "email", "target": "ward.9@example.nhs.uk", "frequency": "week", **given}
    async with offering(portal_apprise_services="") as offer:
        with pytest.raises(UsageError, match=problem):
            await offer.wanted("team", form)


@pytest.mark.parametrize("channel", ["webhook", "feed"])
async def test_what_opens_or_verifies_is_made_anew_each_time(channel: str) -> None:
    form = {"channel": channel, "target": "https://8.8.8.8/heed", "frequency": "week"}
    async with offering() as offer:
        first, second = [await offer.wanted("team", form) for _ in range(2)]
    openers = {first.secret or first.feed_token, second.secret or second.feed_token}
    assert len(openers) == 2
    assert all(opener is not None and len(opener) >= 43 for opener in openers)


async def test_what_is_not_set_up_is_not_offered() -> None:
    async with offering(portal_mail=None, portal_apprise_services="") as offer:
        assert offer.channels == [Channel.TEAMS, Channel.SLACK, Channel.WEBHOOK, Channel.FEED]


@asynccontextmanager
async def offering(**given: Any) -> AsyncIterator[Offer]:
    """What an installation with a mail server offers."""
    settings = load(SubscriptionSettings, **{"portal_mail": "mailto://127.0.0.1:1?from=heed@nhs.net", **given})
    async with webhook_client() as client:
        yield Offer(settings, Webhooks(Targets(), client), AppriseChannels(settings.portal_mail, Targets()))


@pytest.mark.parametrize("networks", ["10.0.0.0/8", "10.0.0.0/8, 127.0.0.1/32", "fd00::/8", ""])
def test_networks_are_read(networks: str) -> None:
    settings = load(SubscriptionSettings, portal_private_targets=networks)
    assert len(settings.private_targets) == len([each for each in networks.split(",") if each])


def test_what_is_no_network_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="HEED_PORTAL_PRIVATE_TARGETS"):
        load(SubscriptionSettings, portal_private_targets="10.0.0.0/33")
