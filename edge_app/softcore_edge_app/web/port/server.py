"""Server: the HTTP port of a line, served from a thread of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from softcore_runtime.missing_library import explain_import

from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.health.drift_monitor import DriftReading
from softcore_edge_app.ledger.note import Note
from softcore_edge_app.pipeline.controls import OperatorControls
from softcore_edge_app.queries.index_keeper import IndexKeeper
from softcore_edge_app.queries.part_search import PartSearch

try:
    import fastapi.sse  # noqa: F401 - an older one has none
    import uvicorn
except ImportError as error:  # pragma: no cover - seen in a subprocess
    raise explain_import(error, "edge") from error

from softcore_edge_app.configuration.shift_calendar import ShiftCalendar
from softcore_edge_app.web.app import make_web_app
from softcore_edge_app.web.events import EventStream
from softcore_edge_app.web.guard import list_hosts
from softcore_edge_app.web.history_api import describe_note
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.people.people import People
from softcore_edge_app.web.port.acceptor import Acceptor
from softcore_edge_app.web.port.connection import Connection
from softcore_edge_app.web.port.listener import listen
from softcore_edge_app.web.port.token_file import take_token
from softcore_edge_app.web.shifts.shift import ShiftCounter
from softcore_edge_app.web.status import LineStatus, pick_health

__all__ = ["WebServer"]

_LOG = logging.getLogger("softcore_edge_app.web")
_GRACE = 0.15  # seconds for requests that are being answered when the server ends
_END_WITHIN = 0.5  # seconds
_POLL = 1.0  # seconds between two checks whether the status has changed


class WebServer:
    """The port: everybody who reaches it can read everything; a change needs a person's role, or the token.

    Nothing here blocks the inspection: `publish` stores decisions, and the server's own thread sends them.

    Args:
        options: where it listens, its names and its token.
        controls: the line.
        metrics_render: returns the metrics and their content type; called from the server's threads.
        ledger: the ledger's file; None if there is none.
        archive: the archive's folder, likewise.
        list_drift: returns the drift of the line.
        find_fault: returns what is wrong with the archive, or None.
        calendar: when shifts begin.

    Raises:
        UsageError: the token or the people can't be used: see `take_token` and `read_people`.
        LedgerError: the running shift can't be counted.
    """

    def __init__(
        self,
        options: HttpOptions,
        controls: OperatorControls,
        metrics_render: Callable[[], tuple[bytes, str]],
        *,
        ledger: Path | None = None,
        archive: Path | None = None,
        list_drift: Callable[[], Sequence[DriftReading]] = tuple,
        find_fault: Callable[[], str | None] = lambda: None,
        calendar: ShiftCalendar | None = None,
    ) -> None:
        token = None if options.token_file is None else take_token(options.token_file)
        people = People(options.people_file, 60 * options.idle_minutes, 3600 * options.session_hours)
        self._options = options
        self._events, self._cache = EventStream(), ImageCache(archive)
        self._shift = ShiftCounter(calendar, ledger)
        search = PartSearch(ledger) if ledger else None
        self._keeper = IndexKeeper(ledger, search) if ledger and search else None
        self._status = LineStatus(
            controls,
            self._shift,
            token is not None,
            ledger,
            (archive,) if archive else (),
            list_drift,
            find_fault,
            options.title or socket.gethostname(),
            lambda: people.exist,
        )
        app = make_web_app(
            self._status,
            metrics_render,
            self._events,
            self._cache,
            hosts=list_hosts(options),
            token=token,
            people=people,
            search=search,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end_requested = asyncio.Event()
        self._started = threading.Event()
        self._port = 0

    @property
    def url(self) -> str:
        """Its address on this machine, with a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._options.host, self._options.host)  # noqa: S104
        return f"http://[{host}]:{self._port}/" if ":" in host else f"http://{host}:{self._port}/"

    def start(self) -> None:
        """Listen, and serve from a thread.

        Raises:
            UsageError: the address is in use or not this machine's, or needs rights that are missing.
        """
        listener = listen(self._options.host, self._options.port)
        address, self._port = listener.getsockname()[:2]
        if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            _LOG.warning(
                "the HTTP port is open to the network at %s port %d, as was asked for: who reaches it can "
                "read everything, and change what the token allows",
                address,
                self._port,
            )
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener)), name="softcore http", daemon=True
        )
        self._thread.start()
        self._started.wait()
        if self._keeper:
            self._keeper.start()

    def publish(self, published: PublishedDecision) -> None:
        """Store a decision, for the listeners and its image; from any thread, at once, and never raises."""
        self._cache.add(published)
        image = published.frame is not None and published.frame.shown is not None
        self._events.publish(published, self._shift.count(published), image=image)

    def publish_note(self, note: Note) -> None:
        """Store a note for the listeners; like `publish`."""
        self._events.publish_event("note", describe_note(note))

    def close(self) -> None:
        """End within half a second, whatever the clients do; may be called at any time, and again."""
        if self._keeper:
            self._keeper.close()
        if self._thread is None or self._loop is None:
            return
        if self._thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self._end_requested.set)
            except RuntimeError:  # it ended between the two
                return
            self._thread.join(_END_WITHIN)

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._events.open()
        self._started.set()
        # uvicorn gets no socket: `Acceptor` accepts the clients, within bounds. uvicorn has no public way to
        # hand it an accepted socket, so its protocol is made here as it does it, with its `server_state`, in
        # which it keeps the header `Date` and waits for the connections to end.
        serving = asyncio.ensure_future(self._server.serve(sockets=[]))
        state, config = self._server.server_state, self._server.config
        acceptor = Acceptor(listener, partial(Connection, config=config, server_state=state, app_state={}))
        acceptor.open()
        ending = asyncio.ensure_future(self._end_requested.wait())
        watching = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            acceptor.close()
            listener.close()
            self._events.end()
            self._server.should_exit = True
        await asyncio.wait({serving}, timeout=_GRACE)
        acceptor.drop_all()  # uvicorn would wait for clients that don't read
        ending.cancel()
        watching.cancel()
        await serving

    async def _watch(self) -> None:
        """Publish the status whenever something in it changes that needs a person."""
        last = None
        while True:
            if self._events.has_listeners:
                report = self._status.describe()
                health = pick_health(report)
                if last is not None and health != last:
                    self._events.publish_event("status", report)
                last = health
            await asyncio.sleep(_POLL)
