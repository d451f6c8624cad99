"""MQTT login: the certificates for a broker, and the risks of a login."""

from __future__ import annotations

import ipaddress
import ssl

from softcore_runtime.errors import UsageError

from softcore_edge_app.configuration.options import MqttOptions
from softcore_edge_app.configuration.password_file import find_risk

__all__ = ["find_risks", "trust"]


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
    if options.password_file is not None and (risk := find_risk(options.password_file)):
        risks.append(risk)
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
