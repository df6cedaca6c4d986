"""Where a cluster's token comes from, and who may read it."""

import os
from pathlib import Path

import pytest

from clusters.environment import use_token
from clusters.errors import ClusterSpecError
from clusters.spec import ClusterSpec

SECRET = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def spec(path: Path | None) -> ClusterSpec:
    return ClusterSpec(kind="attach", address="auto", token_file=None if path is None else str(path))


def test_a_file_that_nobody_else_can_read_is_named_to_ray_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "token").chmod(0o600)
    assert use_token(spec(tmp_path / "token"))
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "token")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert "RAY_AUTH_TOKEN" not in os.environ
    assert SECRET not in os.environ.values()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
@pytest.mark.parametrize("named_by", ["token_file", "RAY_AUTH_TOKEN_PATH", "home"])
def test_a_file_that_others_can_read_is_refused_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, named_by: str
) -> None:
    path = tmp_path / ".ray" / "auth_token"
    path.parent.mkdir()
    path.write_text(SECRET)
    path.chmod(mode)
    if named_by == "RAY_AUTH_TOKEN_PATH":
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    with pytest.raises(ClusterSpecError, match=rf"chmod 600 {path}") as refused:
        use_token(spec(path if named_by == "token_file" else None))
    assert SECRET not in str(refused.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ClusterSpecError, match="cannot read the token file"):
        use_token(spec(tmp_path / "nowhere"))


def test_without_a_token_ray_is_told_nothing() -> None:
    assert not use_token(spec(None))
    assert "RAY_AUTH_MODE" not in os.environ
