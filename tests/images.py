"""What `deploy/Dockerfile` puts into an image, laid out in a folder: its steps replayed where no engine is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_STAGE = re.compile(r"^FROM \S+ AS (\w+)\n((?:(?!FROM ).*\n?)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Image:
    """An unpacked image.

    Attributes:
        python: its interpreter, with the packages of its own requirements and no others.
        app: its working directory, with the code that it holds.
    """

    python: Path
    app: Path

    def environment(self, given: dict[str, str]) -> dict[str, str]:
        """What a container of it would see: nothing of this process's variables."""
        return {"PATH": str(self.python.parent), "PYTHONPATH": str(self.app)} | given

    def run(self, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m …` in it until it ends. Its first run compiles what the image's build would have compiled."""
        return subprocess.run(
            [self.python, "-m", *arguments],
            cwd=self.app,
            env=self.environment(given),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )


def uv() -> Path | None:
    """The installer that `make` brings, or one on the path."""
    ours = ROOT / ".cache" / "tools" / "bin" / "uv"
    found = shutil.which("uv")
    return ours if ours.exists() else Path(found) if found else None


def unpacked(service: str, folder: Path) -> Image:
    """Replay the Dockerfile for one `SERVICE`.

    Packages come from this project's cache of the installer, which holds them after `make setup`.
    """
    installer = uv()
    assert installer is not None
    environment = {**os.environ, "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(ROOT / ".cache" / "uv"))}
    environment.pop("VIRTUAL_ENV", None)
    venv, app = folder / "heed", folder / "app"
    requirements = ROOT / "requirements" / f"{service}.txt"
    create: list[str | Path] = [installer, "venv", "--quiet", "--python", sys.executable, venv]
    install: list[str | Path] = [installer, "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
    install += ["--require-hashes", "--only-binary", ":all:", "--requirement", requirements]
    for step in (create, install):
        subprocess.run(step, check=True, env=environment)
    stages = dict(_STAGE.findall((ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")))
    for line in re.findall(
        r"^COPY (?!--from)(.+)$", stages["command" if service == "tools" else "service"], re.MULTILINE
    ):
        *sources, target = line.replace("${SERVICE}", service).split()
        for source in sources:
            _copy(ROOT / source, app / target)
    if service == "tools":  # the last step of its build, with what this test's own environment has to build with
        (app / "heed-0.1.0.dist-info").mkdir()
        (app / "heed-0.1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.4\nName: heed\nVersion: 0.1.0\n")
    return Image(venv / "bin" / "python", app)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "training"), dirs_exist_ok=True)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
