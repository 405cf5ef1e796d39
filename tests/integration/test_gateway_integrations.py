"""Keys on PostgreSQL: told once, kept hashed, revoked within seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.gateway.integrations import (
    CACHED_FOR,
    MOST_CACHED,
    Keys,
    add_integration,
    list_integrations,
    revoke_integration,
)
from shared.database import engine
from shared.errors import TransientFault, UsageError
from tests.integration.gateway_stage import NOW, database, gateway_url, rows

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["database", "gateway_url"]

pytestmark = pytest.mark.integration


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_key_is_long_and_kept_nowhere(database: AsyncEngine) -> None:
    key = await add_integration(database, "survey", [], NOW)
    assert len(key) >= len("heed_") + 43  # 256 bits in base64
    ((kept,),) = await rows(database, "SELECT integration::text FROM integration")
    assert key not in kept
    assert key.removeprefix("heed_").encode().hex() not in kept


async def test_a_key_tells_its_integration(database: AsyncEngine) -> None:
    key = await add_integration(database, "survey", ["Brookvale\u00a0 Hospital"], NOW)
    owner = await Keys(database).owner(key)
    assert owner is not None
    assert (owner.id, owner.organisations) == ("survey", ("Brookvale Hospital",))


@pytest.mark.parametrize("key", ["", "heed_", "heed_wrong", "\x00"])
async def test_a_wrong_key_is_no_ones(database: AsyncEngine, key: str) -> None:
    await add_integration(database, "survey", [], NOW)
    assert await Keys(database).owner(key) is None


async def test_a_revoked_key_stops_within_seconds(database: AsyncEngine) -> None:
    key, clock = await add_integration(database, "survey", [], NOW), Clock()
    keys = Keys(database, clock)
    assert await keys.owner(key) is not None
    await revoke_integration(database, "survey", NOW)
    clock.now += CACHED_FOR
    assert await keys.owner(key) is None


async def test_a_key_asked_for_lately_is_remembered(database: AsyncEngine) -> None:
    key, clock = await add_integration(database, "survey", [], NOW), Clock()
    keys = Keys(database, clock)
    await keys.owner(key)
    await revoke_integration(database, "survey", NOW)
    clock.now += CACHED_FOR - 0.1
    assert await keys.owner(key) is not None


async def test_a_database_away_is_a_transient_fault() -> None:
    nowhere = engine("postgresql+asyncpg://nobody@127.0.0.1:1/none", "gateway")
    with pytest.raises(TransientFault):
        await Keys(nowhere).owner("heed_key")
    await nowhere.dispose()


async def test_keys_remembered_are_bounded(database: AsyncEngine) -> None:
    keys = Keys(database)
    for number in range(MOST_CACHED + 10):
        await keys.owner(f"heed_{number}")
    assert len(keys._known) <= MOST_CACHED


async def test_a_working_key_is_not_replaced(database: AsyncEngine) -> None:
    key = await add_integration(database, "survey", [], NOW)
    with pytest.raises(UsageError, match="revoke it first"):
        await add_integration(database, "survey", [], NOW)
    assert await Keys(database).owner(key) is not None


async def test_after_revocation_the_same_id_gets_a_new_key(database: AsyncEngine) -> None:
    old = await add_integration(database, "survey", ["A"], NOW)
    await revoke_integration(database, "survey", NOW)
    new = await add_integration(database, "survey", ["B"], NOW + timedelta(days=1))
    owner = await Keys(database).owner(new)
    assert owner is not None
    assert owner.organisations == ("B",)
    assert await Keys(database).owner(old) is None


async def test_the_list_tells_revoked_ones_too(database: AsyncEngine) -> None:
    await add_integration(database, "b", [], NOW)
    await add_integration(database, "a", ["A"], NOW)
    await revoke_integration(database, "b", NOW)
    listed = await list_integrations(database)
    assert [(one.id, one.organisations, one.revoked_at) for one in listed] == [("a", ("A",), None), ("b", (), NOW)]


async def test_an_unknown_integration_cannot_be_revoked(database: AsyncEngine) -> None:
    with pytest.raises(UsageError, match="no integration"):
        await revoke_integration(database, "nobody", NOW)


@pytest.mark.parametrize("name", ["", "Survey", "a b", "é", "-a", "a" * 64, "a\x00"])
async def test_an_id_that_is_no_slug_is_refused(database: AsyncEngine, name: str) -> None:
    with pytest.raises(UsageError):
        await add_integration(database, name, [], NOW)


@pytest.mark.parametrize("organisation", ["", " \u00a0", "a\x00"])
async def test_a_blank_organisation_is_refused(database: AsyncEngine, organisation: str) -> None:
    with pytest.raises(UsageError):
        await add_integration(database, "survey", [organisation], NOW)
