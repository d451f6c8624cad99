from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from softcore_runtime.cli.completion_command import SHELLS, render_completion
from softcore_runtime.cli.softcore_command import main as softcore

# What bash does when the Tab key is pressed: each argument is a line that was typed, up to its end.
BASH = """
source completion.bash
for line in "$@"; do
    read -ra COMP_WORDS <<< "$line"
    [[ "$line" == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    function=$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
    "$function"
    echo "${COMPREPLY[@]}"
done
"""
FISH = """
source completion.fish
for line in $argv
    complete -C $line | string split -f 1 \\t | string join ' '
end
"""
TYPED = {
    "softcore ": "backbones calibrate compare completion edge export features keys",
    "softcore ed": "edge",
    "softcore edge led": "ledger",
    "softcore edge ledger ": "verify stats export labels shadow",
    "softcore completion ": "bash fish zsh",
    "softcore-edge led": "ledger",
    "softcore-edge --prov": "--provider",
    "softcore-edge --camera 0 --provider ": "auto tensorrt cuda cpu",
    "softcore-edge pill --provider t": "tensorrt",
    "softcore-edge ledger verify --he": "--help --head",
    "softcore-edge check li": "line.toml",
    "softcore-edge --config li": "line.toml",
    "softcore-export --discriminator g": "gaussian",
    "softcore-export --out bun": "bundles",
    "softcore-calibrate --max-": "--max-overkill --max-escape",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts, a file and a folder."""
    place = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (place / f"completion.{shell}").write_text(render_completion(shell))
    (place / "line.toml").touch()
    (place / "bundles").mkdir()
    return place


def complete(place: Path, *command: str) -> dict[str, list[str]]:
    ended = subprocess.run(
        [*command, *TYPED], cwd=place, capture_output=True, text=True, check=True, timeout=60
    )
    told = [sorted(word.rstrip("/") for word in line.split()) for line in ended.stdout.splitlines()]
    return dict(zip(TYPED, told, strict=True))


def test_bash_completes(place: Path) -> None:
    wanted = {line: sorted(words.split()) for line, words in TYPED.items()}
    assert complete(place, "bash", "--norc", "-c", BASH, "bash") == wanted


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes(place: Path) -> None:
    wanted = {line: sorted(words.split()) for line, words in TYPED.items()}
    assert complete(place, "fish", "--no-config", "-c", FISH) == wanted


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_takes_its_script(place: Path) -> None:
    code = """
    autoload -Uz compinit; compinit -u -D
    eval "$(cat completion.zsh)"
    print -l ${(ok)_comps[(I)softcore*]}
    """
    ended = subprocess.run(["zsh", "-f", "-c", code], cwd=place, capture_output=True, text=True, timeout=60)
    commands = ["softcore", "softcore-calibrate", "softcore-edge", "softcore-export"]
    assert (ended.stdout.splitlines(), ended.stderr) == (commands, "")


def test_zsh_and_fish_complete_a_bundle_beside_the_commands(place: Path) -> None:
    for name in ("softcore edge", "softcore-edge"):
        assert f"_describe '{name} commands' _commands\n  _files -/" in (place / "completion.zsh").read_text()
    assert (
        "-n __fish_use_subcommand -a '(__fish_complete_directories)'"
        in (place / "completion.fish").read_text()
    )


def test_the_command_prints_the_script(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert softcore(["completion", "bash"]) == 0
    assert capsys.readouterr().out == f"{(place / 'completion.bash').read_text()}\n"


def test_without_shtab_one_line_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    monkeypatch.delitem(sys.modules, "softcore_runtime.cli.completion_command")
    assert softcore(["completion", "bash"]) == 2
    assert capsys.readouterr().err == (
        "softcore completion: shtab is not installed; run: pip install 'softcore[edge]'\n"
    )


def test_what_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("softcore_export.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "softcore_export.cli.command", None)
    monkeypatch.setitem(sys.modules, "softcore_export.cli.backbones_command", None)
    script = render_completion("bash")
    assert "-F _shtab_softcore_of_edge softcore-edge" in script
    assert "discriminator" not in script
