"""Acceptor: lets clients in at the port, within bounds that leave the rest of the line what it needs.

asyncio's own way has no bounds: clients that only connect take every file descriptor of the process, and from
then on it warns some thousand times a second, while camera and ledger can't open anything.
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
_MOST_OF_ONE = 50  # of one address: whoever else asks finds a place
_RESERVE = 32  # connections more, for questions about health alone
_KEPT = 64  # descriptors for cameras, ledger, archive and outputs, or a quarter of what the process may have
_AT_ONCE = (
    4  # clients between two looks at what those that are there have sent; it takes some looks to hear one
)
_WAITING = 1024  # clients that the system keeps until they are let in
_SAID_FOR = 60.0  # seconds for which it is not said again that places have run out
_PAUSE = 0.5  # seconds without a descriptor
_PREFIX = 64  # bits of an IPv6 address that its owner can't choose

_LOG = logging.getLogger("softcore_edge_app.web")


class Acceptor:
    """Lets clients in; made and used in one event loop.

    A client that finds no place any more gets one in the reserve, where it may ask about health and nothing
    else. Who is there longest without a question makes room for the next: so a question about
    health is answered at once, however many clients hold connections and say nothing.

    Args:
        listener: where clients come; closed by its owner.
        make: makes a `Connection` of what to call at its end, and whether it is `restricted`.
    """

    def __init__(self, listener: socket.socket, make: Callable[..., Connection]) -> None:
        self._listener, self._make = listener, make
        self._loop = asyncio.get_running_loop()
        self._addresses: Counter[str] = Counter()  # of the regular ones
        self._reserve: dict[int, tuple[Connection, str]] = {}  # the others and their addresses, by place
        self._places = count()
        self._silent_until = 0.0
        self._beginning: set[asyncio.Task[object]] = set()
        self._pausing: asyncio.TimerHandle | None = None
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        kept = min(_KEPT, limit // 4)
        # The system gives the lowest descriptor that is free: all below it are in use.
        self._last, self._last_reserved = limit - kept, limit - kept // 2

    def open(self) -> None:
        """Begin."""
        self._listener.setblocking(False)
        self._listener.listen(_WAITING)
        self._resume()

    def close(self) -> None:
        """Let nobody in any more."""
        self._loop.remove_reader(self._listener)
        if self._pausing:
            self._pausing.cancel()

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
        """Find a place for a client, or refuse it."""
        of_one = self._addresses[address]
        if client.fileno() < self._last and of_one < _MOST_OF_ONE and self._addresses.total() < _MOST:
            self._addresses[address] += 1
            self._begin(client, self._make(partial(self._forget, address), restricted=False))
            return
        self._tell(of_one, address)
        if len(self._reserve) >= _RESERVE or client.fileno() >= self._last_reserved:
            self._make_room()
        if len(self._reserve) >= _RESERVE or client.fileno() >= self._last_reserved:
            client.close()
            return
        place = next(self._places)
        self._reserve[place] = self._make(partial(self._reserve.pop, place, None), restricted=True), address
        self._begin(client, self._reserve[place][0])

    def _begin(self, client: socket.socket, connection: Connection) -> None:
        task = self._loop.create_task(self._connect(client, connection))
        self._beginning.add(task)  # or nobody would hold it
        task.add_done_callback(self._beginning.discard)

    async def _connect(self, client: socket.socket, connection: Connection) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, client)
        except OSError:  # it has left already
            client.close()
            connection.on_end()

    def _make_room(self) -> None:
        """Drop who is in the reserve longest without a question, of the address that has most there."""
        silent = {place: address for place, (one, address) in self._reserve.items() if not one.asked}
        if silent:
            busiest = Counter(silent.values()).most_common(1)[0][0]
            place = next(place for place, address in silent.items() if address == busiest)
            self._reserve.pop(place)[0].drop()

    def _tell(self, of_one: int, address: str) -> None:
        """Say that places have run out; once a minute, however many find none."""
        if self._loop.time() < self._silent_until:
            return
        self._silent_until = self._loop.time() + _SAID_FOR
        _LOG.warning(
            "http: %d connections are open, %d of them from %s; more may only ask about health",
            self._addresses.total(),
            of_one,
            address,
        )

    def _forget(self, address: str) -> None:
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def _pause(self, error: OSError) -> None:
        _LOG.warning("http: no further client can be let in (%s)", error.strerror)
        self._make_room()
        self._loop.remove_reader(self._listener)
        self._pausing = self._loop.call_later(_PAUSE, self._resume)


def _shorten(address: str) -> str:
    """Give what tells one machine from another: of IPv6 the network, in which it chooses its addresses."""
    with suppress(ValueError):
        known = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(known, ipaddress.IPv6Address):
            if known.ipv4_mapped:
                return str(known.ipv4_mapped)
            return str(ipaddress.ip_network((known, _PREFIX), strict=False))
    return address
