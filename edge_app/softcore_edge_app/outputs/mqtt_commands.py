"""MQTT commands: the messages of TOPIC/trigger and TOPIC/recipe, and the answer to each one."""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from softcore_runtime import SoftCoreError, UsageError

from softcore_edge_app.pipeline.controls import Controls

__all__ = ["LARGEST", "MqttCommands"]

LARGEST = 64 * 1024  # bytes of a command
_REMEMBERED = 1000  # ids of commands
_WAITING = 16  # changes of recipe
_JOINING = 0.1  # seconds
_log = logging.getLogger(__name__)
_Command = TypeVar("_Command", bound="_Named")


class _Named(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    camera: str | None = Field(default=None, min_length=1, max_length=200)
    id: str | None = Field(default=None, min_length=1, max_length=200)


class _Trigger(_Named):
    part: str | None = Field(default=None, min_length=1, max_length=200)


class _Recipe(_Named):
    recipe: str = Field(min_length=1, max_length=200)


class MqttCommands:
    """Handles commands and answers each one: accepted, or refused with the reason.

    A trigger is passed on in the thread that calls `handle_trigger`. To switch a recipe takes seconds; a
    thread of its own does that, in order.

    Args:
        controls: the line.
        answer: called from either thread with the end of a topic ("trigger/accepted") and its content.

    Attributes:
        accepted, refused: number of such commands; repetitions count once.
    """

    def __init__(self, controls: Controls, answer: Callable[[str, dict[str, Any]], None]) -> None:
        self.accepted = 0
        self.refused = 0
        self._controls = controls
        self._answer = answer
        self._lock = threading.Lock()  # guards the counts and what follows
        # The answers to the last commands with an id; None if an answer is still open.
        self._known: OrderedDict[tuple[str, str], dict[str, Any] | None] = OrderedDict()
        self._recipes: queue.Queue[_Recipe | None] = queue.Queue(_WAITING)
        self._worker = threading.Thread(target=self._switch_recipes, name="mqtt recipes", daemon=True)

    def start(self) -> None:
        """Begin to switch recipes."""
        self._worker.start()

    def handle_trigger(self, payload: bytes) -> None:
        """Handle a message of TOPIC/trigger: empty, or a JSON object of `camera`, `part` and `id`."""
        command = self._read("trigger", _Trigger, payload.strip() or b"{}")
        if command and self._is_new("trigger", command):
            try:
                trigger = self._controls.trigger(command.camera, command.part, "mqtt")
            except Exception as error:
                self._refuse("trigger", error, command)
            else:
                self._accept("trigger", command, trigger=trigger, part=command.part or trigger)

    def handle_recipe(self, payload: bytes) -> None:
        """Handle a message of TOPIC/recipe: a name, or a JSON object of `recipe`, `camera` and `id`."""
        plain = not payload.lstrip().startswith(b"{") and len(payload) <= LARGEST
        command = self._read_name(payload) if plain else self._read("recipe", _Recipe, payload)
        if command and self._is_new("recipe", command):
            try:
                self._recipes.put_nowait(command)
            except queue.Full:
                fault = UsageError(f"{_WAITING} changes of recipe are waiting already; ask again later")
                self._refuse("recipe", fault, command)

    def refuse_retained(self, kind: str) -> None:
        """Refuse a command that the broker retains: it would come again later."""
        if kind in ("trigger", "recipe"):
            self._refuse(kind, UsageError("it is retained; publish commands without the flag"))

    def close(self) -> None:
        """Switch no further recipes; a switch in progress may still end."""
        while True:
            try:
                self._recipes.put_nowait(None)
                break
            except queue.Full:
                self._recipes.get_nowait()
        if self._worker.is_alive():
            self._worker.join(_JOINING)

    def _switch_recipes(self) -> None:
        while (command := self._recipes.get()) is not None:
            self._switch_recipe(command)

    def _switch_recipe(self, command: _Recipe) -> None:
        try:
            self._controls.switch_recipe(command.recipe, command.camera, by="mqtt")
        except Exception as error:
            self._refuse("recipe", error, command)
        else:
            self._accept("recipe", command)

    def _read(self, kind: str, form: type[_Command], payload: bytes) -> _Command | None:
        if len(payload) > LARGEST:
            self._refuse(kind, UsageError(f"it has {len(payload)} bytes; {LARGEST} is the most"))
            return None
        try:
            return form.model_validate_json(payload)
        except ValidationError as error:
            self._refuse(kind, UsageError(_explain(error)))
            return None

    def _read_name(self, payload: bytes) -> _Recipe | None:
        try:
            return _Recipe(recipe=payload.decode().strip())
        except UnicodeDecodeError:
            self._refuse("recipe", UsageError("the name isn't UTF-8"))
        except ValidationError as error:
            self._refuse("recipe", UsageError(_explain(error)))
        return None

    def _is_new(self, kind: str, command: _Named) -> bool:
        """Return whether a command is new by its id; else repeat the answer."""
        if command.id is None:
            return True
        key = (kind, command.id)
        with self._lock:
            repeated, answer = key in self._known, self._known.get(key)
            self._known.setdefault(key, None)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        if answer:
            self._answer(f"{kind}/accepted", answer)
        return not repeated

    def _accept(self, kind: str, command: _Named, **more: str) -> None:
        answer = {**command.model_dump(), **more}
        with self._lock:
            self.accepted += 1
            if command.id is not None:
                self._known[kind, command.id] = answer
        self._answer(f"{kind}/accepted", answer)

    def _refuse(self, kind: str, error: Exception, command: _Named | None = None) -> None:
        reason = str(error)
        if not isinstance(error, SoftCoreError):  # the next command still needs this thread
            _log.error("a command by MQTT failed", exc_info=error)
            reason = f"internal error ({type(error).__name__})"
        with self._lock:
            self.refused += 1
            if command and command.id is not None:
                self._known.pop((kind, command.id), None)  # nothing was done, so it may be sent again
        self._answer(f"{kind}/refused", {**(command.model_dump() if command else {}), "reason": reason})


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
