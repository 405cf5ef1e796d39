"""Settings: every one is in the README, and wrong ones are told in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from services.analysis.app import allow_list, build_reader
from services.analysis.settings import AnalysisSettings
from shared.errors import UsageError
from shared.settings import ServiceSettings, load

README = Path(__file__).parents[2] / "services" / "analysis" / "README.md"


def test_every_setting_of_the_service_is_in_its_readme() -> None:
    readme = README.read_text(encoding="utf-8")
    own = AnalysisSettings.model_fields.keys() - ServiceSettings.model_fields.keys()
    for name in own:
        description = AnalysisSettings.model_fields[name].description
        assert description
        assert f"| `HEED_{name.upper()}` |" in readme
        assert description in readme


def test_the_allow_list_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEED_ALLOW_LIST", " Rose Ward, Hexham ,")
    assert load(AnalysisSettings).allow_list == ("Rose Ward", "Hexham")


def test_a_catalogue_adds_to_it(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text("teams: []\nallow_list: [Arnold Lodge]\n", encoding="utf-8")
    settings = AnalysisSettings(allow_list=("Hexham",), allow_list_file=catalogue)
    assert allow_list(settings) == ("Hexham", "Arnold Lodge")


@pytest.mark.parametrize("content", ["allow_list: x", "- a", "a: [", "allow_list: [1]"])
def test_a_wrong_catalogue_is_told(tmp_path: Path, content: str) -> None:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="HEED_ALLOW_LIST_FILE"):
        allow_list(AnalysisSettings(allow_list_file=catalogue))


def test_a_missing_catalogue_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="HEED_ALLOW_LIST_FILE"):
        allow_list(AnalysisSettings(allow_list_file=tmp_path / "none.yaml"))


def test_a_missing_model_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as told:
        build_reader(AnalysisSettings(analysis_model_folder=tmp_path))
    assert "\n" not in str(told.value)
    assert str(tmp_path) in str(told.value)


@pytest.mark.parametrize("absent", ["torch", "transformers"])
def test_a_missing_extra_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    monkeypatch.setitem(sys.modules, "transformers", ModuleType("transformers"))
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(UsageError, match=f"needs {absent}, which is not installed: install the extra `torch`") as told:
        build_reader(AnalysisSettings(analysis_model="somebody/some-model"))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["/no/such/folder", "./none", "a/b/c"])
def test_a_missing_folder_of_the_operators_model_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """And never looked for on the hub."""
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    monkeypatch.setitem(sys.modules, "transformers", ModuleType("transformers"))
    with pytest.raises(UsageError, match=f"HEED_ANALYSIS_MODEL: there is no folder {name}"):
        build_reader(AnalysisSettings(analysis_model=name))


def test_labels_without_a_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="set both or none"):
        build_reader(AnalysisSettings(analysis_model_labels=tmp_path / "labels.yaml"))
