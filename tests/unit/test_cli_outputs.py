"""A result file appears whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deploy.commands.outputs import STANDARD, atomic_output
from deploy.commands.progress import count_lines
from deploy.commands.tables import aligned
from shared.errors import UsageError


def test_a_result_takes_its_place_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_bytes(b"old")
    with atomic_output(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_output(target) as file:  # noqa: PT012 - both must happen inside
        file.write(b"half")
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "out.jsonl", tmp_path / "link"
    link.symlink_to(target)
    with atomic_output(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_device_is_written_to() -> None:
    with atomic_output(Path("/dev/null")) as file:
        file.write(b"gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_stdout_is_written_to(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with atomic_output(STANDARD) as file:
        file.write(b"\xc3\xa9")
    assert capsysbinary.readouterr().out == b"\xc3\xa9"


def test_a_missing_directory_is_bad_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no directory"), atomic_output(tmp_path / "no" / "out"):
        pass


@pytest.mark.parametrize(("content", "lines"), [(b"", 0), (b"\n", 1), (b"a", 1), (b"a\nb", 2), (b"a\nb\n", 2)])
def test_lines_are_counted(tmp_path: Path, content: bytes, lines: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert count_lines(path) == lines


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert aligned(["a", "long heading"], [["wider", 1], ["b", ""]]) == "a      long heading\nwider  1\nb"
