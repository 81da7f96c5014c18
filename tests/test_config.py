"""Settings come from CALSEL_ variables, and a wrong one is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from app import config
from app.errors import ConfigError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CALSEL_")]:
        monkeypatch.delenv(name)


def test_nothing_need_be_set() -> None:
    settings = config.read()
    assert settings.database_url is None
    assert (settings.rules / "uves").is_dir()
    assert settings.archive == settings.home / "archive"
    assert settings.products == settings.home / "products"
    assert settings.jobs >= 1


def test_files_follow_the_home_unless_set_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALSEL_HOME", "/data/calsel")
    monkeypatch.setenv("CALSEL_PRODUCTS", "/scratch/products")
    settings = config.read()
    assert settings.archive == Path("/data/calsel/archive")
    assert settings.products == Path("/scratch/products")


def test_folders_are_absolute_and_know_the_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/observer")
    monkeypatch.setenv("CALSEL_HOME", "~/calsel")
    monkeypatch.setenv("CALSEL_ARCHIVE", "raw")
    settings = config.read()
    assert settings.home == Path("/home/observer/calsel")
    assert settings.archive == tmp_path / "raw"


@pytest.mark.parametrize(
    ("uid", "xdg", "home"),
    [
        (0, "/home/observer/data", "/var/lib/calselector"),
        (1000, "/home/observer/data", "/home/observer/data/calselector"),
        (1000, "relative/is/ignored", "/home/observer/.local/share/calselector"),
        (1000, "", "/home/observer/.local/share/calselector"),
    ],
)
def test_the_home_is_where_programs_of_this_user_keep_their_data(
    monkeypatch: pytest.MonkeyPatch, uid: int, xdg: str, home: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setenv("HOME", "/home/observer")
    monkeypatch.setenv("XDG_DATA_HOME", xdg)
    assert config.read().home == Path(home)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_database_url_means_psycopg(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("CALSEL_DATABASE_URL", f"{scheme}://calsel:secret@db/calsel")
    assert config.read().database_url == "postgresql+psycopg://calsel:secret@db/calsel"


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALSEL_DATABASE_URL", "")
    assert config.read().database_url is None


def test_links_have_one_slash_where_the_path_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALSEL_PUBLIC_URL", "https://archive.example.org/calsel/")
    assert config.read().public_url == "https://archive.example.org/calsel"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CALSEL_DATABASE_URL", "mysql://calsel:secret@db/calsel", "postgresql+psycopg://"),
        ("CALSEL_DATABASE_URL", "secret", "postgresql+psycopg://"),
        ("CALSEL_JOBS", "secret", "valid integer"),
        ("CALSEL_JOBS", "0", "greater than 0"),
        ("CALSEL_PUBLIC_URL", "archive.example.org", "must start with http:// or https://"),
    ],
)
def test_a_wrong_setting_is_named_but_its_value_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        config.read()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{variable}: ")
    assert said in line
    assert "secret" not in line
    assert caught.value.__cause__ is None


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALSEL_JOBS", "many")
    monkeypatch.setenv("CALSEL_PUBLIC_URL", "here")
    with pytest.raises(ConfigError, match=r"CALSEL_JOBS: .*\nCALSEL_PUBLIC_URL: "):
        config.read()


def test_settings_are_a_value_that_shows_no_password() -> None:
    settings = config.Settings(database_url="postgresql://calsel:secret@db/calsel")
    assert "secret" not in repr(settings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.jobs = 3
