from __future__ import annotations

import pytest
from softcore_export.cli.backbones_command import main


def read_table(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, list[str]], str]:
    table, _, rest = capsys.readouterr().out.partition("\n\n")
    return {line.split()[0]: line.split()[1:] for line in table.splitlines()[1:]}, rest


def test_networks_that_need_no_layers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    rows, rest = read_table(capsys)
    assert {"filterbank", "resnet18", "wide_resnet50_2"} <= rows.keys()
    assert rows["resnet18"][:6] == ["11.7", "M", "47", "MB", "384", "BSD-3-Clause"]
    assert rows["wide_resnet50_2"][0] == "(default)"
    assert rows["filterbank"][-1] == "yes"
    assert "vit_b_16" not in rows
    assert "softcore backbones --all" in rest


def test_all_are_listed_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--all"]) == 0
    rows, rest = read_table(capsys)
    assert "--layers" in rows["vit_b_16"]
    assert "CC-BY-NC-4.0" in rows["vit_h_14"]
    assert "--all" not in rest
