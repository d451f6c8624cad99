"""PostgreSQL server: Debian's, with a cluster of its own, which can be killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from softcore_runtime.errors import UsageError

from softcore_benchmarks.line.rig.ports import find_free_port

__all__ = ["PASSWORD", "PostgresServer", "find_postgres"]

WAIT = 60  # seconds until a start has failed
PASSWORD = "sesame"  # noqa: S105 - of the user softcore
_USER = "postgres"  # as whom the server runs where this is root, for it refuses root


def find_postgres() -> Path | None:
    """Return the folder of the newest server's programs, or None; Debian has one for each version.

    None also where this is root and there is no user postgres, as whom it can run.
    """
    found = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_read_version, default=None)
    if os.geteuid() == 0 and not any(one.pw_name == _USER for one in pwd.getpwall()):
        return None
    return found.parent if found else None


def _read_version(program: Path) -> int:
    return int(program.parts[-3])


class PostgresServer:
    """A running server with the database and the user softcore; a context manager that ends and deletes it.

    It listens at 127.0.0.1 and asks for a password. Its own files lie in a folder in /tmp, for the user
    postgres may not enter others.

    Raises:
        UsageError: there is no server.
        RuntimeError: it doesn't start.
    """

    def __init__(self) -> None:
        programs = find_postgres()
        if not programs:
            raise UsageError("there is no PostgreSQL here; install Debian's postgresql")
        self.port = find_free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="softcore-postgres-"))
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._as = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
        if os.geteuid() == 0:
            shutil.chown(self.folder, _USER, _USER)
        else:
            self._as = []
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        options = [
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--username=postgres",
        ]
        self._run("initdb", "--pgdata", self._data, f"--pwfile={secret}", "--username=postgres", *options)
        self.start()
        self.ask("CREATE ROLE softcore LOGIN PASSWORD 'sesame'", "CREATE DATABASE softcore OWNER softcore")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def log(self) -> str:
        """Its log, over all its starts."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, and return when it takes connections.

        Raises:
            RuntimeError: it doesn't start.
        """
        places = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}"]
        settings = [word for place in places for word in ("-c", place)]
        # What a killed server leaves counts as another one's while one of its processes still ends.
        ends = time.monotonic() + WAIT
        while time.monotonic() < ends:
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [*self._as, str(self._programs / "postgres"), "-D", self._data, *settings],
                    stdout=log, stderr=log, cwd="/",
                )  # fmt: skip
            while self._process.poll() is None and time.monotonic() < ends:
                ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
                if subprocess.run(ready, check=False, cwd="/").returncode == 0:
                    return
                time.sleep(0.02)
            time.sleep(0.1)
        raise RuntimeError(f"PostgreSQL doesn't start: {self.log[-500:]}")

    def ask(self, *statements: str, database: str = "postgres", user: str = "postgres") -> list[list[str]]:
        """Run statements by psql, and return the rows of what they return, as texts.

        Raises:
            RuntimeError: one of them fails.
        """
        words = ["-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]
        command = [str(self._programs / "psql"), *words, "-p", str(self.port), "-U", user, "-d", database]
        command += [word for statement in statements for word in ("-c", statement)]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def kill(self) -> None:
        """End it by SIGKILL; its other processes find out by themselves."""
        self._send_and_wait(signal.SIGKILL)

    def stop(self) -> None:
        """End it by SIGINT, PostgreSQL's fast shutdown."""
        self._send_and_wait(signal.SIGINT)

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        with suppress(OSError):
            shutil.rmtree(self.folder)

    def _run(self, program: str, *words: str) -> None:
        command = [*self._as, str(self._programs / program), *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")

    def _send_and_wait(self, how: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(how)
            self._process.wait(WAIT)
            self._process = None
