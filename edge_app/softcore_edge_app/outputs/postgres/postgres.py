"""PostgreSQL: copies the ledger's rows into a table, each exactly once; it and `migrations.py` know psycopg.

A batch is one transaction. The database says which row it has last, after each connection anew, so that
it doesn't matter whether a transaction was committed of which no answer came.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from softcore_runtime.errors import OutputError
from softcore_runtime.missing_library import explain_import

from softcore_edge_app.configuration.options import PostgresOptions
from softcore_edge_app.configuration.password_file import find_risk, read_password
from softcore_edge_app.decisions.decision_record import CONTENT
from softcore_edge_app.delivery.output import Position
from softcore_edge_app.ledger.row import Row

try:
    import psycopg
    from psycopg import Connection, sql
    from psycopg.conninfo import make_conninfo

    from softcore_edge_app.outputs.postgres.migrations import migrate
except ImportError as error:  # pragma: no cover - seen by a test in a subprocess
    raise explain_import(error, "postgres") from error

__all__ = ["COLUMNS", "PostgresCopy"]

COLUMNS = ("line", "number", *CONTENT, "hash")
_TIMES = ("triggered_at", "deadline_at", "decided_at", "published_at")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INSERT = sql.SQL("INSERT INTO decisions ({}) VALUES ({}) ON CONFLICT (line, number) DO NOTHING").format(
    sql.SQL(", ").join(map(sql.Identifier, COLUMNS)), sql.SQL(", ").join([sql.Placeholder()] * len(COLUMNS))
)
_CONNECTING = 3  # seconds
_ANSWERING = 10_000  # milliseconds that the server may work on a statement
_UNANSWERED = 5_000  # milliseconds for which TCP retries, as after a pulled cable
_ASKING = 5.0  # seconds after which a connection that is at rest is tried
_SLOW = 5.0  # seconds without an answer that count as a fault
_CLOSING = 0.3  # seconds

_log = logging.getLogger(__name__)


class PostgresCopy:
    """A copy of the ledger in PostgreSQL; see `docs/how-to/connect-a-database.md` for the table.

    Args:
        options: address, login, schema and the line's name.

    Attributes:
        name: "postgres".
        batch: number of rows of a transaction.

    Raises:
        UsageError: the password can't be read.
    """

    name = "postgres"

    def __init__(self, options: PostgresOptions) -> None:
        self.batch = options.batch
        self._options = options
        self._where = f"{options.host}:{options.port}/{options.database}"
        self._password = read_password(options.password_file)
        self._fault: str | None = "has not answered yet"
        self._connection: Connection | None = None
        self._position = Position(0, "")
        self._tried = 0.0  # when the connection last answered
        self._asked: float | None = None  # since when an answer is waited for
        self._turn = threading.Lock()
        self._closed = False
        if options.password_file and (risk := find_risk(options.password_file)):
            _log.warning("%s", risk)

    @property
    def fault(self) -> str | None:
        """Why the database can take nothing now, in plain words; None if it can."""
        asked = self._asked
        if asked is not None and (waited := time.monotonic() - asked) > _SLOW:
            return f"{self._where}: has not answered for {waited:.0f} s"
        return self._fault and f"{self._where}: {self._fault}"

    def find_position(self) -> Position:
        """Return the last row that the table has of this line; see `LedgerCopy.find_position`.

        Raises:
            OutputError: it can't be asked.
        """
        with self._ask() as connection:
            if time.monotonic() - self._tried > _ASKING:
                connection.execute("SELECT 1")
        return self._position

    def copy(self, rows: Sequence[Row]) -> None:
        """Insert the rows that follow the last one, in one transaction; see `LedgerCopy.copy`.

        Raises:
            OutputError: none of them, or all of them, are in the table.
        """
        values = [self._list_values(row) for row in rows]
        with self._ask() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(_INSERT, values)
            if cursor.rowcount != len(rows):
                raise OutputError(
                    f"{self._where}: another line writes there as {json.dumps(self._options.line)}; "
                    "give each a name of its own (postgres.line)"
                )
        self._position = Position(rows[-1].number, rows[-1].hash)

    def close(self) -> None:
        """Disconnect; takes a third of a second at most."""
        self._closed = True
        if self._turn.acquire(timeout=_CLOSING):
            self._disconnect()
            self._turn.release()

    @contextmanager
    def _ask(self) -> Iterator[Connection]:
        """Connect where that is needed, and explain what fails; then the next call connects anew."""
        with self._turn:
            self._asked = time.monotonic()
            try:
                yield self._connection or self._connect()
                self._tried, self._fault = time.monotonic(), None
            except psycopg.Error as error:
                self._fault = _explain(error, self._connection is not None)
                self._disconnect()
                raise OutputError(f"{self._where}: {self._fault}") from error
            except OutputError as error:
                self._fault = str(error).removeprefix(f"{self._where}: ")
                self._disconnect()
                raise
            finally:
                self._asked = None

    def _connect(self) -> Connection:
        if self._closed:
            raise OutputError(f"{self._where}: the line ends")
        options = self._options
        trusted = {"sslmode": "verify-full", "sslrootcert": str(options.ca_file)} if options.tls else {}
        parameters = make_conninfo(
            host=options.host,
            port=options.port,
            dbname=options.database,
            user=options.user,
            password=self._password,  # None leaves it to PGPASSWORD and ~/.pgpass
            application_name=f"softcore {options.line}",
            client_encoding="UTF8",
            connect_timeout=_CONNECTING,
            tcp_user_timeout=_UNANSWERED,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            options=f"-c statement_timeout={_ANSWERING} -c lock_timeout={_ANSWERING}",
            **trusted,
        )
        connection = psycopg.connect(parameters, autocommit=True)
        self._connection = connection
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise OutputError(
                f"{self._where}: the database's encoding is {encoding}; create one with ENCODING 'UTF8'"
            )
        migrate(connection, options.schema_name, self._where)
        found = connection.execute(
            "SELECT number, hash FROM decisions WHERE line = %s ORDER BY number DESC LIMIT 1", [options.line]
        ).fetchone()
        self._position = Position(*found) if found else Position(0, "")
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                connection.close()

    def _list_values(self, row: Row) -> list[Any]:
        content = row.record.content()
        for name in _TIMES:
            content[name] = _read_time(content[name])
        values = [self._options.line, row.number, *content.values(), row.hash]
        # PostgreSQL's texts hold every character but this one.
        return [value.replace("\0", "\\x00") if isinstance(value, str) else value for value in values]


def _read_time(nanoseconds: int | None) -> datetime | None:
    """Return a time as PostgreSQL keeps it, to the microsecond."""
    return None if nanoseconds is None else _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _explain(error: psycopg.Error, connected: bool) -> str:
    """Return in one line why a connection or a statement failed."""
    said = " ".join((error.diag.message_primary or str(error)).split())
    if error.sqlstate is not None and connected:
        return f"refuses the decisions ({said})"
    if connected:
        return "the connection is lost"
    if "FATAL: " in said:
        return f"refuses the connection ({said.rpartition('FATAL: ')[2].strip()})"
    return f"can't be reached ({said.rpartition('failed: ')[2]})"
