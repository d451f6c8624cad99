from __future__ import annotations

import os
from pathlib import Path

import pytest
from softcore_edge_app.configuration.configuration import configure, read_configuration
from softcore_edge_app.configuration.environment import list_variables, name_variable, read_environment
from softcore_edge_app.configuration.mistakes import ConfigurationError
from softcore_edge_app.configuration.options import CameraOptions, Configuration, DriftOptions


@pytest.fixture(autouse=True)
def _without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SOFTCORE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def set_variables(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A function that sets variables by their names without `SOFTCORE_`."""

    def set_variables(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"SOFTCORE_{name}", value)

    return set_variables


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "line.toml"
    path.write_text('camera = 0\nledger = "x"\nqueue = 3\n[mqtt]\nhost = "broker"\nkeepalive = 5\n')
    return path


def test_a_variable_goes_before_the_file_and_behind_the_command(file: Path, set_variables) -> None:  # type: ignore[no-untyped-def]
    set_variables(QUEUE="4", FRAMES="7", MQTT__HOST="other", MQTT__TOPIC="line1", THREADS="2")
    found = configure(file, {"frames": 9, "mqtt": {"topic": "line2"}})
    assert found.mqtt
    assert (found.mqtt.host, found.mqtt.topic, found.mqtt.keepalive, found.mqtt.port) == (
        "other", "line2", 5, 1883,
    )  # fmt: skip
    assert (found.queue, found.frames, found.threads, found.ledger) == (4, 9, 2, Path("x"))
    assert found.patience == CameraOptions().patience  # type: ignore[call-arg]
    assert configure(None, {"camera": "0", "ledger": "y"}).queue == 4


def test_every_kind_of_value_is_read(set_variables) -> None:  # type: ignore[no-untyped-def]
    set_variables(
        CAMERAS__LEFT__SOURCE="rtsp://line/1", CAMERAS__LEFT__RECIPES__PILL="bundles/pill", JSON="true",
        HTTP__NAMES='["line1", "line1.plant"]', HTTP__PORT="80", DRIFT='{"fast": 30}', SAVE_OVERLAYS="seen",
    )  # fmt: skip
    left = CameraOptions(source="rtsp://line/1", recipes={"pill": "bundles/pill"})
    found = configure(None, {})
    assert (found.cameras, found.json_lines, found.save_overlays) == ({"left": left}, True, Path("seen"))
    assert found.http
    assert (found.http.names, found.http.port) == (("line1", "line1.plant"), 80)
    assert found.drift == DriftOptions(fast=30)


@pytest.mark.parametrize(
    ("variable", "option", "wanted"),
    [
        ({"SOURCE": "parts"}, {}, (None, "parts")),
        ({"CAMERA": "1"}, {}, ("1", None)),
        ({"CAMERA": "1"}, {"source": "parts"}, (None, "parts")),
        ({}, {}, ("0", None)),
    ],
)
def test_the_place_of_the_frames_is_set_as_one(  # type: ignore[no-untyped-def]
    file: Path, set_variables, variable: dict[str, str], option: dict[str, str],
    wanted: tuple[str | None, str | None],
) -> None:  # fmt: skip
    set_variables(**variable)
    found = configure(file, option)
    assert (found.camera, found.source) == wanted


def test_all_mistakes_are_reported_each_with_its_source(file: Path, set_variables) -> None:  # type: ignore[no-untyped-def]
    file.write_text("camera = 0\nledger = 'x'\npatience = 61\n")
    set_variables(
        CAMRA="0", THREADS="two", QUEUE="0", MQTT__HOTS="broker", DRIFT="much", HTTP='{"port": "x"}',
        MODBUS="[", DEADLINE="0",
    )  # fmt: skip
    with pytest.raises(ConfigurationError) as caught:
        configure(file, {"deadline": -1.0, "frames": 0})
    assert set(caught.value.lines) == {
        "$SOFTCORE_CAMRA: no such key; did you mean camera?",
        '$SOFTCORE_THREADS: must be a whole number from 1 up, not "two"',
        '$SOFTCORE_QUEUE: must be from 1 to 10000, not "0"',
        "$SOFTCORE_MQTT__HOTS: no such key; did you mean mqtt.host?",
        '$SOFTCORE_DRIFT: must be a table, not "much"',
        '$SOFTCORE_HTTP: must be a whole number from 0 to 65535, not "x"',
        '$SOFTCORE_MODBUS: must be a table, not "["',
        "deadline: must be above 0 and at most 3600, not -1.0",
        "frames: must be from 1 up, not 0",
        f"{file}: patience: must be above 0 and at most 60, not 61",
    }


def test_variables_of_others_are_left_alone(set_variables) -> None:  # type: ignore[no-untyped-def]
    set_variables(
        BUNDLE="pill", DATA="datasets", MAX_MEGAPIXELS="100", SERVICE_HOST="10.0.0.1", PORT="tcp://10.0.0.1:80",
        PORT_80_TCP_ADDR="10.0.0.1",
    )  # fmt: skip
    assert read_environment() == {}


def test_a_file_is_read_alone_where_it_is_checked(file: Path, set_variables) -> None:  # type: ignore[no-untyped-def]
    set_variables(QUEUE="4")
    assert read_configuration(file).queue == 3


def test_every_key_has_a_variable_that_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = list_variables()
    assert len(set(variables.values())) == len(variables) > 60
    keys = {key.partition(".")[0] for key in variables.values()}
    assert keys == {field.alias or name for name, field in Configuration.model_fields.items()} - {"bundle"}
    for variable, key in variables.items():
        given = "__".join("LEFT" if part == "NAME" else part for part in variable.split("__"))
        path = ["left" if part == "NAME" else part for part in key.split(".")]
        monkeypatch.setenv(given, "x")
        fields = read_environment()
        for part in path:
            fields = fields[part]
        assert fields == "x"
        assert name_variable(tuple(path)) == given
        monkeypatch.delenv(given)
