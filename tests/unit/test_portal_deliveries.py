"""When a delivery is due, how long a failed one waits, what a person is sent, and what is kept sealed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.portal.clock import LONDON
from services.portal.deliveries import Frequency, Retries, next_digest
from services.portal.deliveries_message import MOST_LINES, message, period_name
from services.portal.subscriptions_sealing import Seals, Unreadable
from services.portal.subscriptions_settings import SubscriptionSettings
from shared.settings import load
from tests.unit.subscription_samples import MAY, WORDS, page

PORTAL = "https://heed.example.nhs.uk"
LINK = f"{PORTAL}/unsubscribe/token"
moments = st.integers(1_577_836_800, 2_208_988_800).map(lambda second: datetime.fromtimestamp(second, UTC))


@given(st.integers(1, 1_000), st.floats(0, 1), st.floats(0.01, 3_600), st.floats(1, 1_000))
def test_a_pause_is_between_half_of_the_doubled_one_and_the_longest(
    failed: int, jitter: float, first: float, factor: float
) -> None:
    retries = Retries(20, first, first * factor)
    whole = min(first * 2.0 ** min(failed - 1, 64), first * factor)
    tolerance = timedelta(microseconds=2)
    assert timedelta(seconds=whole / 2) - tolerance <= retries.pause(failed, jitter)
    assert retries.pause(failed, jitter) <= timedelta(seconds=whole) + tolerance


@given(st.integers(1, 100), st.floats(0, 1))
def test_the_next_pause_is_never_shorter(failed: int, jitter: float) -> None:
    retries = Retries(20, 30, 43_200)
    assert retries.pause(failed + 1, jitter) >= retries.pause(failed, jitter)


def test_by_default_a_receiver_may_be_away_for_a_weekend() -> None:
    retries = load(SubscriptionSettings).retries
    waits = range(1, retries.attempts)
    shortest = sum((retries.pause(failed, 1) for failed in waits), timedelta())
    longest = sum((retries.pause(failed, 0) for failed in waits), timedelta())
    assert timedelta(days=3) < shortest < longest < timedelta(days=7)
    assert not retries.are_over(retries.attempts - 1)
    assert retries.are_over(retries.attempts)


@given(moments, st.sampled_from([Frequency.WEEK, Frequency.MONTH]))
def test_a_digest_comes_at_eight_in_london_and_never_now(now: datetime, frequency: Frequency) -> None:
    then = next_digest(frequency, now)
    local = then.astimezone(LONDON)
    assert now < then
    assert then - now <= (timedelta(days=7, hours=1) if frequency is Frequency.WEEK else timedelta(days=31, hours=1))
    assert (local.hour, local.minute) == (8, 0)
    assert local.weekday() == 0 if frequency is Frequency.WEEK else local.day == 8


@given(moments, st.sampled_from([Frequency.WEEK, Frequency.MONTH]))
def test_no_digest_lies_between_now_and_the_next(now: datetime, frequency: Frequency) -> None:
    then = next_digest(frequency, now)
    middle = now + (then - now) / 2
    assert next_digest(frequency, middle) == then or middle == then


def test_every_revision_is_due_at_once() -> None:
    now = datetime(2026, 6, 8, 12, tzinfo=UTC)
    assert next_digest(Frequency.REVISION, now) == now


@pytest.mark.parametrize(
    ("frequency", "now", "then"),
    [
        (Frequency.WEEK, "2026-06-08T06:59:59", "2026-06-08T07:00:00"),
        (Frequency.WEEK, "2026-06-08T07:00:00", "2026-06-15T07:00:00"),
        (Frequency.WEEK, "2026-10-24T12:00:00", "2026-10-26T08:00:00"),  # the clocks go back on the 25th
        (Frequency.MONTH, "2026-12-08T08:00:00", "2027-01-08T08:00:00"),
        (Frequency.MONTH, "2026-01-31T12:00:00", "2026-02-08T08:00:00"),
    ],
)
def test_when_a_digest_comes(frequency: Frequency, now: str, then: str) -> None:
    assert next_digest(frequency, datetime.fromisoformat(now + "+00:00")) == datetime.fromisoformat(then + "+00:00")


def test_a_message_holds_nothing_of_what_was_said() -> None:
    sent = message([page()], PORTAL, LINK)
    assert WORDS not in sent.body + sent.title
    assert "Too few" not in sent.body
    assert sent.title == "Riverside emergency team: May 2026"
    assert f"{PORTAL}/teams/riverside-emergency/2026-05-01" in sent.body
    assert LINK in sent.body


def test_what_came_since_goes_into_one_message_the_newest_first() -> None:
    sent = message([page(), page(period=date(2026, 6, 1), provisional=True)], PORTAL, LINK)
    assert sent.title == "Riverside emergency team: 2 pages"
    assert sent.body.index("June 2026, so far") < sent.body.index("May 2026")


def test_a_long_message_ends() -> None:
    sent = message([page(period=date(2020 + n // 12, n % 12 + 1, 1)) for n in range(30)], PORTAL, LINK)
    assert sent.body.count("/teams/") == MOST_LINES
    assert f"And {30 - MOST_LINES} more." in sent.body


@pytest.mark.parametrize(
    ("period", "kind", "name"),
    [
        (MAY, "month", "May 2026"),
        (date(2026, 4, 1), "quarter", "April to June 2026"),
        (date(2026, 10, 1), "quarter", "October to December 2026"),
        (date(2026, 6, 8), "week", "week of 8 June 2026"),
    ],
)
def test_a_period_has_a_name(period: date, kind: str, name: str) -> None:
    assert period_name(page(period=period, period_kind=kind)) == name


@given(st.text(min_size=1, max_size=200))
def test_a_sealed_target_opens_for_its_own_subscription_only(target: str) -> None:
    seals, subscription = Seals(SecretStr("k" * 32)), uuid4()
    sealed = seals.seal(target, subscription)
    assert seals.open(sealed, subscription) == target
    with pytest.raises(Unreadable):
        seals.open(sealed, uuid4())


def test_a_sealed_target_says_nothing_and_never_the_same_twice() -> None:
    seals, subscription = Seals(SecretStr("k" * 32)), uuid4()
    first, second = (seals.seal("ward.9@example.nhs.uk", subscription) for _ in range(2))
    assert b"ward" not in first
    assert first != second


def test_with_another_key_nothing_opens() -> None:
    subscription = uuid4()
    sealed = Seals(SecretStr("k" * 32)).seal("ward.9@example.nhs.uk", subscription)
    other = Seals(SecretStr("l" * 32))
    with pytest.raises(Unreadable) as refused:
        other.open(sealed, subscription)
    assert "ward" not in str(refused.value)
    assert other.linked(Seals(SecretStr("k" * 32)).link_token(subscription)) is None


def test_a_link_ends_one_subscription_and_stays_the_same() -> None:
    seals, subscription = Seals(SecretStr("k" * 32)), uuid4()
    token = seals.link_token(subscription)
    assert token == seals.link_token(subscription)
    assert seals.linked(token) == subscription


@given(st.text(max_size=60))
def test_no_other_token_ends_anything(token: str) -> None:
    assert Seals(SecretStr("k" * 32)).linked(token) is None


@given(st.integers(0, 42), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
def test_a_link_that_was_changed_ends_nothing(place: int, character: str) -> None:
    seals, subscription = Seals(SecretStr("k" * 32)), uuid4()
    token = seals.link_token(subscription)
    changed = token[:place] + character + token[place + 1 :]
    assert seals.linked(changed) == (subscription if changed == token else None)
