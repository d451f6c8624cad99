from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from softcore_edge_app.cli.command import main
from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.pipeline.controls import CameraStatus, Status
from softcore_edge_app.web.port.server import WebServer
from softcore_runtime import BundleError, UsageError

Capsys = pytest.CaptureFixture[str]
TOKEN = "0123456789abcdef"  # noqa: S105 - the tests' own


class Line:
    def __init__(self) -> None:
        self.asked: list[tuple[str | None, ...]] = []

    def trigger(self, camera: str | None, part: str | None, by: str) -> str:
        assert by == "http"
        self.asked.append(("trigger", camera, part))
        return "run-1"

    def switch_recipe(self, recipe: str, camera: str | None = None, by: str = "") -> None:
        assert by
        self.asked.append(("recipe", camera, recipe))
        if recipe == "bad":
            raise BundleError("bundles/bad: changed since it was written")
        if recipe == "none":
            raise UsageError("no recipe 'none'; there are: pill")

    def describe(self) -> Status:
        camera = CameraStatus(
            name="left", fault=None, reopened=0, recipe="pill", recipes=("pill",), category="pill",
            bundle="ab", threshold=1.0, fail_above=1.0, waiting=0, capacity=16, triggers=0, decisions=0,
        )  # fmt: skip
        return Status((camera,), (), None, None, ())


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def file(line: Line, tmp_path: Path) -> Iterator[Path]:
    """The configuration of a line that runs."""
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    server = WebServer(HttpOptions(port=0, token_file=token), line, lambda: (b"", ""))  # type: ignore[arg-type]
    server.start()
    file = tmp_path / "line.toml"
    port = server.url.rstrip("/").rpartition(":")[2]
    file.write_text(f'camera = 0\n[http]\nport = {port}\ntoken_file = "{token}"\n')
    yield file
    server.close()


def test_a_running_line_answers(line: Line, file: Path, capsys: Capsys) -> None:
    assert main(["ask", "status", "--config", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["cameras"][0]["recipe"] == "pill"
    assert main(["ask", "trigger", "--camera", "left", "--part", "7", "--config", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["trigger"] == "run-1"
    assert main(["ask", "recipe", "pill", "--config", str(file)]) == 0
    assert line.asked == [("trigger", "left", "7"), ("recipe", None, "pill")]


@pytest.mark.parametrize(
    ("recipe", "said"), [("bad", "refused: bundles/bad: changed"), ("none", "refused: no recipe 'none'")]
)
def test_what_the_line_refuses_is_one_line(file: Path, recipe: str, said: str, capsys: Capsys) -> None:
    assert main(["ask", "recipe", recipe, "--config", str(file)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_without_the_token_nothing_is_changed(line: Line, file: Path, tmp_path: Path, capsys: Capsys) -> None:
    other = tmp_path / "other"
    other.write_text("x" * 20)
    assert main(["ask", "trigger", "--config", str(file), "--token-file", str(other)]) == 2
    assert "refused" in capsys.readouterr().err
    assert line.asked == []


def test_mistakes(tmp_path: Path, capsys: Capsys) -> None:
    assert main(["ask", "status", "--url", "http://127.0.0.1:1"]) == 3
    assert "no line answers" in capsys.readouterr().err
    assert main(["ask", "recipe"]) == 2
    assert main(["ask", "status", "x"]) == 2
    assert main(["ask", "status", "--url", "file:///etc/passwd"]) == 2
    assert main(["ask", "status", "--token-file", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 4
