"""MQTT login: the password and the certificates for a broker, and their risks."""

from __future__ import annotations

import ipaddress
import ssl
import stat

from softcore_runtime.errors import UsageError

from softcore_edge_app.configuration.options import MqttOptions

__all__ = ["find_risks", "read_password", "trust"]

_LONGEST = 65_535  # bytes of a password; MQTT takes no more


def read_password(options: MqttOptions) -> str | None:
    """Return the password, without the end of its line; None if there is none.

    Raises:
        UsageError: its file can't be read, is none, or holds no password.
    """
    file = options.password_file
    if file is None:
        return None
    try:
        if not file.is_file() and file.exists() and not file.is_dir():  # reading a pipe may take for ever
            raise UsageError(f"{file}: the password's file is no file")
        with file.open(encoding="utf-8") as stream:
            password = stream.read(_LONGEST + 1).rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"{file}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: no password, for it isn't UTF-8") from error
    if len(password.encode()) > _LONGEST:
        raise UsageError(f"{file}: no password, for it is longer than {_LONGEST} bytes")
    return password


def trust(options: MqttOptions) -> ssl.SSLContext:
    """Return the context that checks the broker's certificate.

    Raises:
        UsageError: `ca_file` can't be read or holds no certificates.
    """
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:  # SSLError, too
        raise UsageError(f"{options.ca_file}: no certificates ({error.strerror or error})") from error


def find_risks(options: MqttOptions) -> list[str]:
    """Return, each in a line, how others could get the password or the messages."""
    risks = []
    file = options.password_file
    if file is not None and file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        risks.append(
            f"{file}: everybody on this machine can read or write the password; run: chmod o= {file}"
        )
    if not options.tls and not _is_here(options.host):
        what = "the password and all messages go" if options.username else "all messages go"
        risks.append(
            f"mqtt: {what} to {options.host} unencrypted, and who can listen there can read and send them; "
            "set mqtt.tls = true"
        )
    return risks


def _is_here(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
