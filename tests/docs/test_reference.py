"""The reference says of commands, keys, formats and interfaces what the code says, and all of it."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from mkdocs.exceptions import PluginError
from pydantic import BaseModel
from softcore_edge_app.configuration.options import CameraOptions, Configuration
from softcore_edge_app.decisions.decision_record import CONTENT, DecisionRecord
from softcore_edge_app.ledger.layout import FORMAT, TABLES
from softcore_edge_app.ledger.ledger import Change, Ledger
from softcore_edge_app.outputs.modbus_map import (
    ALARM_COILS,
    CODES,
    COUNT,
    OURS,
    InputCoils,
    InputRegisters,
    OutputCoils,
    OutputRegisters,
)
from softcore_edge_app.outputs.mqtt_health import OFFLINE
from softcore_runtime import Decision
from softcore_runtime.bundle.manifest import FORMAT_VERSION, Manifest, parse_manifest
from softcore_runtime.cli.command_line import Parser
from softcore_runtime.exam.exam import ExamPart
from softcore_runtime.signing.signatures import Signature

from .pages import read_blocks

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
COMMANDS = (
    "softcore", "softcore-export", "softcore-calibrate", "softcore-edge",
    "softcore backbones", "softcore compare", "softcore completion", "softcore features",
    "softcore keys",
)  # fmt: skip
# What PLCs call them, beside the names in the code.
COILS = {"passed": "PASS", "failed": "FAIL"}
REGISTERS = {"part": "RESULT_PART", "recipe": "RECIPE_IN_USE", "decisions": "DECISIONS"}


@pytest.fixture(scope="module")
def hooks() -> Iterator[Mapping[str, ModuleType]]:
    """The modules of the site's hook, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs" / "hooks"))
        names = ("commands", "models", "reference")
        modules = {name: importlib.import_module(name) for name in names}
        yield modules
        for name in names:
            patch.delitem(sys.modules, name, raising=False)


def read(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def render(hooks: Mapping[str, ModuleType], name: str) -> str:
    """A page as the site has it, in Markdown."""
    page = SimpleNamespace(file=SimpleNamespace(src_uri=f"reference/{name}"))
    text: str = hooks["reference"].on_page_markdown(read(name), page=page)
    return text


def split_sections(text: str) -> dict[str, str]:
    """The text below each heading, without that below the next one."""
    parts = re.split(r"^#{2,4} (.+?)(?: \{ .+ \})?$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def list_names(section: str) -> list[str]:
    """What stands as code in the first column of a section's tables."""
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name.split()[0] for row in rows for name in re.findall(r"`([^`]+)`", row)]


def list_commands(hooks: Mapping[str, ModuleType]) -> dict[str, Parser]:
    """Every command there is, with those below it."""
    waiting = [hooks["commands"].find_parser(command.split()) for command in COMMANDS]
    found: dict[str, Parser] = {}
    while waiting:
        parser = waiting.pop()
        found[parser.prog] = parser
        if parser.prog != "softcore":  # whose commands are the others
            waiting.extend(parser.commands.values())
    return found


def test_commands_tell_of_every_command_and_every_option(hooks: Mapping[str, ModuleType]) -> None:
    parsers = list_commands(hooks)
    assert {"softcore-edge check", "softcore-edge install-service", "softcore-edge ledger"} <= parsers.keys()
    text = render(hooks, "commands.md")
    sections = split_sections(text)
    shared = list_names(text.split("## ")[0])
    assert {"-h", "--help", "--debug", "--version"} == set(shared)
    assert parsers.keys() == sections.keys()
    for prog, parser in parsers.items():
        told = list_names(sections[prog])
        options = [name for action in parser._actions for name in action.option_strings]
        assert sorted(set(options) - set(shared)) == sorted(name for name in told if name[0] == "-"), prog
        for action in parser._actions:
            for choice in action.choices or () if action.option_strings else ():
                assert f"`{choice}`" in sections[prog]


def test_command_of_another_name_is_an_error(hooks: Mapping[str, ModuleType]) -> None:
    with pytest.raises(LookupError, match="softcore-edge chekc"):
        hooks["commands"].find_parser(["softcore-edge", "chekc"])


def test_plain_text_of_a_help_stays_what_it_is(hooks: Mapping[str, ModuleType]) -> None:
    parser = argparse.ArgumentParser("tool", description="A | B, <=, a_b_c and [text](x) of --no-way")
    assert (
        hooks["commands"]._escape(parser.description)
        == r"A \| B, &lt;=, a\_b\_c and \[text\](x) of `--no-way`"
    )


def test_exit_codes_are_read_from_a_help(hooks: Mapping[str, ModuleType]) -> None:
    lines = "  0  done (a FAIL is a result)\n  2  a mistake,\n  or two, 3  a fault; 130  stopped"
    assert hooks["commands"]._read_codes(lines) == [
        ("0", "done (a FAIL is a result)"),
        ("2", "a mistake, or two"),
        ("3", "a fault"),
        ("130", "stopped"),
    ]


def test_configuration_tells_of_every_key_with_its_default(hooks: Mapping[str, ModuleType]) -> None:
    sections = split_sections(render(hooks, "configuration.md"))
    own = [field.alias or name for name, field in Configuration.model_fields.items()]
    assert list_names(sections["A camera"]) == list(CameraOptions.model_fields)
    assert set(list_names(sections["The line"])) == set(own) - set(CameraOptions.model_fields)
    variables = list_names(sections["Environment variables"])
    assert {"SOFTCORE_QUEUE", "SOFTCORE_JSON", "SOFTCORE_CAMERAS__NAME__QUEUE", "SOFTCORE_MQTT__HOST"} <= set(
        variables
    )
    assert "SOFTCORE_BUNDLE" not in variables
    tables = {heading[2:].split("]")[0]: section for heading, section in sections.items() if "`[" in heading}
    assert tables.keys() == {
        "mqtt", "modbus", "postgres", "http", "archive", "drift", "trust", "alarms.NAME",
    }  # fmt: skip
    for key, section in tables.items():
        model = find_model(Configuration, key.partition(".")[0])
        assert list_names(section) == list(model.model_fields)
    assert "| `queue` | integer, 1 to 10,000 | `16` |" in sections["A camera"]
    assert "| `poll` | number, above 0, up to 10 | `0.005` |" in tables["modbus"]
    assert "| `host` | text | required |" in tables["mqtt"]


def test_every_key_has_a_description() -> None:
    models = [
        CameraOptions,
        *(
            find_model(Configuration, key)
            for key in ("mqtt", "modbus", "postgres", "http", "drift", "trust", "alarms")
        ),
    ]
    for model in (*models, Configuration, find_model(Configuration, "archive")):
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


def find_model(model: type[BaseModel], key: str) -> type[BaseModel]:
    annotation = model.model_fields[key].annotation
    kinds = (annotation, *getattr(annotation, "__args__", ()))
    return next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def test_bundle_tells_of_every_field_and_links_its_parts(hooks: Mapping[str, ModuleType]) -> None:
    text = render(hooks, "bundle.md")
    sections = split_sections(text)
    schema = Manifest.model_json_schema()
    models = {"`manifest.json`": schema, **schema["$defs"], "ExamPart": ExamPart.model_json_schema()}
    models["Signature"] = Signature.model_json_schema()
    for heading, model in models.items():
        if model.get("type") != "object":
            continue
        assert list_names(sections[heading]) == list(model["properties"]), heading
        for name, field in model["properties"].items():
            assert field.get("description"), f"{heading}: {name}"
    links = set(re.findall(r"\]\(#(\w+)\)", text)) - {"manifestjson", "contaminationjson", "signatures"}
    assert links <= {heading.lower() for heading in sections}
    assert f"| `format_version` | `3`, `4`, `{FORMAT_VERSION}` |" in text


def test_bundle_tells_of_every_file(tiny_bundle: Path) -> None:
    told = list_names(split_sections(read("bundle.md"))["Files"])
    files = [path.relative_to(tiny_bundle) for path in tiny_bundle.rglob("*") if path.is_file()]
    assert len(files) >= 8
    assert [str(file) for file in files if not any(file.match(name) for name in told)] == []


def test_program_of_the_bundle_page_finds_the_seal(tiny_bundle: Path) -> None:
    program = find_program("bundle.md")
    data = (tiny_bundle / "manifest.json").read_bytes()
    parse_manifest(data, "the manifest")
    done = run(program, tiny_bundle)
    assert f'"seal": "{done.stdout.strip()}"'.encode() in data
    (tiny_bundle / "manifest.json").write_bytes(data.replace(b'"tiny"', b'"tinY"'))
    assert run(program, tiny_bundle).returncode != 0


def test_ledger_tells_of_every_column(hooks: Mapping[str, ModuleType]) -> None:
    text = render(hooks, "ledger.md")
    sections = split_sections(text)
    for table, statement in TABLES.items():
        assert re.sub(r"\s", "", statement) in re.sub(r"\s", "", sections["Tables"])
        columns = re.findall(r'"?(\w+)"? (?:TEXT|INTEGER|REAL)', statement)
        assert list_names(sections[table]) == columns
    assert f"the format's version, {FORMAT}" in sections["ledger"]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "line1.ledger"
    with Ledger.open(path) as ledger:
        for number, score in enumerate((3, 1e-5, 1.5e16, 0.1 + 0.2, None)):
            ledger.append(make_entry(number, score))
            if number % 2:
                ledger.note(Change("mark", "left", f"t{number}", None, "good", "page"))
    return path


def make_entry(number: int, score: float | None) -> DecisionRecord:
    decision = Decision.INVALID if score is None else Decision.PASS
    return DecisionRecord(
        trigger=f"t{number}", part='Überprüfung "7" 🔎', name="frame", camera="left", category="pill",
        bundle="0" * 64, decision=decision, score=score, bound=None, threshold=12.0, fail_above=13.0,
        engine="onnxruntime", provider="cpu", precision="fp32", triggered_at=2**62 + number,
        deadline_at=None, decided_at=2, milliseconds=4.5, reason=None,
    )  # fmt: skip


def find_program(page: str) -> str:
    return next(
        block.text for block in read_blocks(REFERENCE / page) if block.text.startswith("import hashlib")
    )


def run(program: str, place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, place], capture_output=True, text=True, check=False)


def test_program_of_the_ledger_page_verifies_a_ledger(ledger: Path) -> None:
    with Ledger.open(ledger) as opened:
        head, notes = opened.head, opened.read_notes()[-1].hash
    done = run(find_program("ledger.md"), ledger)
    assert done.stdout.splitlines() == [f"rows: 5, head {head}", f"notes: 2, head {notes}"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE rows SET part = 'other' WHERE number = 3", "rows: 3 was changed"),
        ("DELETE FROM rows WHERE number = 2", "rows: 2 was changed"),
        ("DELETE FROM rows WHERE number = 5", "rows: the header counts 5, there are 4"),
        ("UPDATE notes SET after = 'bad' WHERE number = 2", "notes: 2 was changed"),
        ("UPDATE ledger SET head = id", "rows: the header counts"),
    ],
)
def test_program_of_the_ledger_page_finds_what_was_changed(ledger: Path, change: str, told: str) -> None:
    connection = sqlite3.connect(ledger)
    connection.execute(change)
    connection.commit()
    connection.close()
    done = run(find_program("ledger.md"), ledger)
    assert done.returncode == 1
    assert told in done.stderr


def test_ledger_page_describes_the_seal(ledger: Path) -> None:
    first, *pages = (ledger.parent / "line1.ledger.seal").read_text().splitlines()
    data = ledger.read_bytes()
    assert f'"sha256": "{hashlib.sha256(data).hexdigest()}"' in first
    digests = [hashlib.sha256(data[start : start + 4096]).hexdigest() for start in range(0, len(data), 4096)]
    assert pages == [digest[:16] for digest in digests]


def test_plc_tells_of_every_coil_and_register() -> None:
    coils, registers = (read_map(kind) for kind in ("coil", "register"))
    assert coils.keys() == set(range(COUNT + ALARM_COILS))
    assert registers.keys() == set(range(COUNT))
    requests = [name.upper() for name in InputCoils.__annotations__]
    signals = [COILS.get(name, name.upper()) for name in OutputCoils.__annotations__]
    assert [coils[number] for number in range(len(requests))] == requests
    assert [coils[number] for number in range(OURS, COUNT + ALARM_COILS)] == signals
    orders = dict.fromkeys(registers[number] for number in range(3))
    assert list(orders) == ["TRIGGER_PART", "RECIPE_WANTED"]
    assert len(orders) == len(InputRegisters.__annotations__)
    words = dict.fromkeys(registers[number] for number in range(OURS, COUNT))
    assert list(words) == [
        REGISTERS.get(name, f"RESULT_{name.upper()}") for name in OutputRegisters.__annotations__
    ]
    codes = ", ".join(f"{code} {decision}" for decision, code in CODES.items())
    assert f"| {codes}; 0: no result is here |" in read("plc.md")


def read_map(kind: str) -> dict[int, str]:
    """The names of the coils or registers by number, as the page's table has them."""
    table = read("plc.md").split(f"| {kind} | name |")[1].split("\n\n")[0]
    named: dict[int, str] = {}
    for first, last, name in re.findall(r"^\| (\d+)(?:-(\d+))? \| (\w*) ?\|", table, re.MULTILINE):
        named.update(dict.fromkeys(range(int(first), int(last or first) + 1), name))
    return named


def test_mqtt_shows_a_decision_with_every_field_and_the_last_will() -> None:
    text = read("mqtt.md")
    shown = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert shown
    assert list(json.loads(shown[1])) == list(CONTENT)
    assert f"`{json.dumps(OFFLINE)}`" in text


def test_unknown_marker_is_an_error(hooks: Mapping[str, ModuleType]) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="reference/commands.md"))
    with pytest.raises(PluginError, match="generated: tabel"):
        hooks["reference"].on_page_markdown("<!-- generated: tabel x:Y -->", page=page)


def test_documents_that_a_help_names_become_links(hooks: Mapping[str, ModuleType]) -> None:
    text = render(hooks, "commands.md")
    assert "[configuration.md](configuration.md)" in text
    assert "docs/" not in re.sub(r"```.*?```", "", text, flags=re.DOTALL)
