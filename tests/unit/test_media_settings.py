"""The media service's settings are documented as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.media.reasons import Reason
from services.media.settings import MediaSettings
from shared.settings import ServiceSettings

README = (Path(__file__).parents[2] / "services" / "media" / "README.md").read_text(encoding="utf-8")
OWN = [
    name
    for name, field in MediaSettings.model_fields.items()
    if name not in ServiceSettings.model_fields or field.default != ServiceSettings.model_fields[name].default
]


@pytest.mark.parametrize("name", OWN)
def test_every_setting_is_documented_with_its_default_and_meaning(name: str) -> None:
    field = MediaSettings.model_fields[name]
    row = re.search(rf"^\| `HEED_{name.upper()}` \| (\S+) \| (.+) \|$", README, re.MULTILINE)
    assert row is not None
    assert row[2] == field.description
    if field.is_required():
        assert row[1] == "required"
    elif isinstance(field.default, int | float):
        assert float(row[1]) == field.default
    else:
        assert row[1].strip("`") == str(field.default).lower()


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained_to_the_submitter(reason: Reason) -> None:
    assert f"`{reason.value}`" in README.partition("## What a receipt says")[2].partition("\n## ")[0]
