"""Migrations: make and update the tables of the database, by numbered files of SQL.

A table of versions says which files were run. Alembic would bring SQLAlchemy for the same: there are a
handful of tables that only grow, and a database's administrator can read and run these files.
"""

from __future__ import annotations

from pathlib import Path

from psycopg import Connection, sql
from softcore_runtime.errors import OutputError

__all__ = ["NEWEST", "migrate"]

_FILES = {int(path.name[:4]): path for path in sorted(Path(__file__).with_name("migrations").glob("*.sql"))}
NEWEST = max(_FILES)  # version of the tables
_LOCK = 0x50F7C0DE  # of all lines that start at once, only one changes the tables


def migrate(connection: Connection, schema: str, where: str) -> None:
    """Bring the tables up to date, in one transaction, and look for them first from now on.

    Args:
        connection: the connection, which commits by itself.
        schema: the schema of the tables; made if there is none.
        where: the database, for messages.

    Raises:
        OutputError: the tables are of a newer version.
        psycopg.Error: they can't be made or changed.
    """
    name = sql.Identifier(schema)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        # A user who may not create schemas may not say IF NOT EXISTS either.
        if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone():
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        connection.execute(sql.SQL("SET search_path TO {}").format(name))
        version = _read_version(connection, schema)
        if version > NEWEST:
            raise OutputError(
                f"{where}: its tables are of version {version}, and this SoftCore knows {NEWEST}; "
                "update SoftCore here"
            )
        for number, file in _FILES.items():
            if number > version:
                connection.execute(file.read_bytes())
                connection.execute("INSERT INTO versions (version) VALUES (%s)", [number])


def _read_version(connection: Connection, schema: str) -> int:
    """Return the version of the tables; 0 where there are none yet."""
    found = connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'versions'", [schema]
    ).fetchone()
    if not found:
        connection.execute(
            "CREATE TABLE versions "
            "(version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
    row = connection.execute("SELECT coalesce(max(version), 0) FROM versions").fetchone()
    return int(row[0]) if row else 0
