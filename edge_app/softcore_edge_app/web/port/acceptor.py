"""Acceptor: accepts clients at the port, within bounds that leave the rest of the line what it needs.

asyncio's own servers have no bounds: clients that only connect take every file descriptor of the process, and
then it warns a thousand times a second, while camera and ledger can't open anything.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import resource
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count

from softcore_edge_app.web.port.connection import Connection

__all__ = ["Acceptor"]

_MOST = 100  # connections
_MOST_OF_ONE = 50  # connections of one address, which leaves places for others
_RESERVE = 32  # further connections, for requests about health alone
_KEPT = 64  # descriptors for cameras, ledger, archive and outputs, or a quarter of the process's limit
_AT_ONCE = 4  # clients accepted before the event loop reads again from those that are connected
_WAITING = 1024  # clients that the system keeps until they are accepted
_QUIET = 60.0  # seconds before another warning that the places have run out
_PAUSE = 0.5  # seconds without a descriptor
_PREFIX = 64  # bits of an IPv6 address that its owner can't choose

_LOG = logging.getLogger("softcore_edge_app.web")


class Acceptor:
    """Accepts clients; made and used in one event loop.

    A client beyond the regular places gets one in the reserve, where it may request the health and nothing
    else. The client that has been there longest without a request is dropped for the next one: so a request
    for the health is answered at once, however many clients hold connections and send nothing.

    Args:
        listener: the socket; closed by its owner.
        make: makes a `Connection` of what to call at its end (with the connection), and whether it is
            `restricted`.
    """

    def __init__(self, listener: socket.socket, make: Callable[..., Connection]) -> None:
        self._listener, self._make = listener, make
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()  # all of them
        self._addresses: Counter[str] = Counter()  # of the regular ones
        self._reserve: dict[int, tuple[Connection, str]] = {}  # the others, and their addresses, by place
        self._places = count()
        self._quiet_until = 0.0
        self._connecting: set[asyncio.Task[object]] = set()
        self._pause_timer: asyncio.TimerHandle | None = None
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        kept = min(_KEPT, limit // 4)
        # The system gives the lowest descriptor that is free: all below it are in use.
        self._last, self._last_reserved = limit - kept, limit - kept // 2

    def open(self) -> None:
        """Begin to accept clients."""
        self._listener.setblocking(False)
        self._listener.listen(_WAITING)
        self._resume()

    def close(self) -> None:
        """Accept no more clients."""
        self._loop.remove_reader(self._listener)
        if self._pause_timer:
            self._pause_timer.cancel()

    def drop_all(self) -> None:
        """Drop every client that is connected."""
        for connection in tuple(self._connections):
            connection.drop()

    def _resume(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                client, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor is left: the listener would be ready again at once
                self._pause(error)
                return
            client.setblocking(False)
            self._admit(client, _shorten(address[0]))

    def _admit(self, client: socket.socket, address: str) -> None:
        """Give a client a place, or refuse it."""
        of_one = self._addresses[address]
        if client.fileno() < self._last and of_one < _MOST_OF_ONE and self._addresses.total() < _MOST:
            self._addresses[address] += 1
            self._begin(client, self._make(partial(self._free_regular, address), restricted=False))
            return
        self._warn_full(of_one, address)
        if len(self._reserve) >= _RESERVE or client.fileno() >= self._last_reserved:
            self._make_room()
        if len(self._reserve) >= _RESERVE or client.fileno() >= self._last_reserved:
            client.close()
            return
        place = next(self._places)
        self._reserve[place] = self._make(partial(self._free_reserved, place), restricted=True), address
        self._begin(client, self._reserve[place][0])

    def _begin(self, client: socket.socket, connection: Connection) -> None:
        self._connections.add(connection)
        task = self._loop.create_task(self._connect(client, connection))
        self._connecting.add(task)  # a task that nothing refers to may be collected
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, client: socket.socket, connection: Connection) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, client)
        except OSError:  # the client has left already
            client.close()
            connection.on_end(connection)

    def _make_room(self) -> None:
        """Drop the connection in the reserve that has been there longest without a request.

        It is one of the address that has most of them there.
        """
        silent = {place: address for place, (one, address) in self._reserve.items() if not one.has_request}
        if silent:
            busiest = Counter(silent.values()).most_common(1)[0][0]
            place = next(place for place, address in silent.items() if address == busiest)
            self._reserve.pop(place)[0].drop()

    def _warn_full(self, of_one: int, address: str) -> None:
        """Warn that the places have run out; once a minute, however many clients find none."""
        if self._loop.time() < self._quiet_until:
            return
        self._quiet_until = self._loop.time() + _QUIET
        _LOG.warning(
            "http: %d connections are open, %d of them from %s; more may only ask about health",
            self._addresses.total(),
            of_one,
            address,
        )

    def _free_reserved(self, place: int, connection: Connection) -> None:
        self._connections.discard(connection)
        self._reserve.pop(place, None)

    def _free_regular(self, address: str, connection: Connection) -> None:
        self._connections.discard(connection)
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def _pause(self, error: OSError) -> None:
        _LOG.warning("http: no further client can be let in (%s)", error.strerror)
        self._make_room()
        self._loop.remove_reader(self._listener)
        self._pause_timer = self._loop.call_later(_PAUSE, self._resume)


def _shorten(address: str) -> str:
    """Return what identifies a machine: of IPv6 the network, within which it chooses its addresses."""
    with suppress(ValueError):
        known = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(known, ipaddress.IPv6Address):
            if known.ipv4_mapped:
                return str(known.ipv4_mapped)
            return str(ipaddress.ip_network((known, _PREFIX), strict=False))
    return address
