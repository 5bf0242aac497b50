from pathlib import Path

import pytest

from stages.lib import versions
from stages.lib.versions import drift, warn_of_drift


def test_the_lock_of_this_checkout_is_what_is_installed() -> None:
    assert drift(Path("requirements.lock").read_text(encoding="utf-8").splitlines()) == []


def test_another_version_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "requirements.lock").write_text(
        "numpy==1.0 ; python_version >= '3'\npolars==0.1\ntorchaudio==1\n"
    )
    monkeypatch.chdir(tmp_path)
    warn_of_drift()
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"warning: numpy {versions.installed('numpy')} is installed, requirements.lock has 1.0"


def test_a_line_for_another_platform_does_not_count() -> None:
    assert drift(["numpy==1.0 ; python_version < '3'"]) == []


def test_a_local_tag_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "version", lambda package: "2.13.0+cpu")
    assert drift(["torch==2.13.0"]) == []


def test_far_from_the_project_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    warn_of_drift()
    assert capsys.readouterr().err == ""
