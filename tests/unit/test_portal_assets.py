"""What pages load: ours, named by its content, and nothing that would be fetched from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.portal.assets import FOLDER, Assets

STYLES = sorted(FOLDER.glob("*.css"))


def serving(folder: Path = FOLDER) -> tuple[Assets, httpx.AsyncClient]:
    assets, app = Assets(folder), FastAPI()
    app.include_router(assets.router())
    return assets, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://portal")


async def test_an_asset_may_be_kept_for_ever_and_another_content_has_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("p { color: #000 }")
    before, browser = serving(tmp_path)
    async with browser:
        plain = await browser.get(before.paths["a.css"], headers={"Accept-Encoding": "identity"})
        packed = await browser.get(before.paths["a.css"])
        assert plain.text == packed.text == "p { color: #000 }"
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert "immutable" in packed.headers["cache-control"]
        assert packed.headers["content-type"].startswith("text/css")
        assert (await browser.get("/assets/a.css")).status_code == 404
        assert (await browser.get("/assets/..%2Fassets.py")).status_code == 404
    (tmp_path / "a.css").write_text("p { color: #111 }")
    assert Assets(tmp_path).paths["a.css"] != before.paths["a.css"]


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.name)
def test_a_style_fetches_nothing_from_elsewhere(style: Path) -> None:
    text = style.read_text(encoding="utf-8")
    assert "@import" not in text
    assert "@font-face" not in text
    assert not re.search(r"https?://", re.sub(r"http://www\.w3\.org/2000/svg", "", text))


def test_what_was_taken_from_others_names_its_licence() -> None:
    assert "nhsuk-frontend 10.6.1" in (FOLDER / "NHSUK-LICENCE.txt").read_text(encoding="utf-8")
