"""Why there is no connection, in one sentence, and what to do about it."""

from __future__ import annotations

import errno
import socket
import ssl
from datetime import datetime

from edgeface.adapters.link.framing import FramingError
from edgeface.domain.errors import LinkUnavailable

CODES = (
    "name",  # the broker's name doesn't resolve
    "network",  # no way to it: refused, unreachable, timed out
    "silent",  # it doesn't answer, though the connection stands
    "closed",  # it ended the connection
    "broker_unknown",  # its certificate is by another authority
    "broker_name",  # its certificate is for another name
    "broker_expired",  # its certificate is out of date
    "clock",  # its certificate is not valid yet: this device's clock is behind
    "tls",  # another disagreement in TLS
    "client_refused",  # it refuses our certificate
    "client_expired",
    "client_revoked",
    "not_allowed",  # it refuses the client after TLS: user, ACL
    "identifier",  # it refuses the client id
    "unavailable",  # it says that it can't serve
    "protocol",  # what it speaks isn't MQTT 3.1.1
    "files",  # a certificate or key of ours can't be read
    "overflow",  # more came in than the application took
)
_EXPIRED, _NOT_YET, _REVOKED = 10, 9, 23  # OpenSSL's X509_V_ERR_…
_UNKNOWN = (2, 18, 19, 20, 21)
_NAMES = (62, 64)
CLOCK_CODES = ("clock", "broker_expired", "client_expired")  # a clock that is set right may end them
_PAIR = "See that ca, certificate and key in the settings belong to this site; `edgeface pair` brings new ones."


def explain(error: BaseException, host: str, port: int) -> LinkUnavailable:
    """Any failure of connecting or of an open connection as a sentence."""
    at = f"{host}:{port}"
    if isinstance(error, LinkUnavailable):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return _unverified(error, at)
    if isinstance(error, ssl.SSLError):
        return _tls(error, at)
    if isinstance(error, socket.gaierror):
        return LinkUnavailable(
            f"The broker's name {host} is not known ({error.strerror}).",
            "See that the name is right, and that this device's network and DNS work.",
            "name",
        )
    if isinstance(error, FramingError):
        return LinkUnavailable(f"What answers at {at} is no MQTT broker: {error}.", "See host and port.", "protocol")
    if isinstance(error, TimeoutError):
        return LinkUnavailable(
            f"The broker at {at} did not answer in time.",
            "See that it runs and that no firewall is between.",
            "network",
        )
    if isinstance(error, ConnectionRefusedError):
        return LinkUnavailable(f"Nothing listens at {at}.", "Start the broker, or correct host and port.", "network")
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return closed(at)
    if isinstance(error, OSError):
        why = error.strerror or str(error) or errno.errorcode.get(error.errno or 0, "unknown")
        return LinkUnavailable(f"The broker at {at} can't be reached: {why}.", "Check the network.", "network")
    return LinkUnavailable(f"The connection to {at} failed: {error}.", "", "network")


def closed(at: str) -> LinkUnavailable:
    return LinkUnavailable(
        f"The broker at {at} ended the connection.",
        "If this repeats, see the broker's log: two clients with one id push each other out.",
        "closed",
    )


def own_certificate_expired(at: str) -> LinkUnavailable:
    return LinkUnavailable(
        f"The broker at {at} refuses this client's certificate: it has expired.", _PAIR, "client_expired"
    )


def with_clock(error: LinkUnavailable, now: datetime) -> LinkUnavailable:
    """Where it may be the clock's fault: what the clock says tells a person at once."""
    if error.code not in CLOCK_CODES:
        return error
    return LinkUnavailable(f"{error.message} The clock says {now:%Y-%m-%d %H:%M} UTC.", error.advice, error.code)


def silent(at: str, after_s: float) -> LinkUnavailable:
    return LinkUnavailable(
        f"The broker at {at} has not answered for {after_s:g} s, though the connection stands.",
        "It is tried anew. If this repeats, look at the network between.",
        "silent",
    )


def refused(code: int, at: str, client_id: str) -> LinkUnavailable:
    """CONNACK's return codes (MQTT 3.1.1, table 3.1)."""
    if code == 1:
        return LinkUnavailable(f"The broker at {at} does not speak MQTT 3.1.1.", "Use another broker.", "protocol")
    if code == 2:
        return LinkUnavailable(f"The broker at {at} refuses the client id {client_id}.", "See its log.", "identifier")
    if code == 3:
        return LinkUnavailable(f"The broker at {at} says that it can't serve now.", "See its log.", "unavailable")
    return LinkUnavailable(
        f"The broker at {at} does not let {client_id} in.",
        "See its ACL and its list of users: they go by the name in the client certificate.",
        "not_allowed",
    )


def _unverified(error: ssl.SSLCertVerificationError, at: str) -> LinkUnavailable:
    code = error.verify_code
    if code in _UNKNOWN:
        return LinkUnavailable(
            f"The broker at {at} is not this site's: its certificate was not issued by the CA in the settings.",
            _PAIR,
            "broker_unknown",
        )
    if code in _NAMES:
        return LinkUnavailable(
            f"The broker at {at} has a certificate for another name.",
            "Use a name that is in its certificate as host, or issue it one for this name.",
            "broker_name",
        )
    if code == _EXPIRED:
        return LinkUnavailable(
            f"The broker's certificate at {at} has expired, or this device's clock is ahead.",
            "Renew the broker's certificate. Where the clock is wrong, set it (`timedatectl` shows it): the door then "
            "connects by itself.",
            "broker_expired",
        )
    if code == _NOT_YET:
        return LinkUnavailable(
            f"The broker's certificate at {at} is not valid yet: this device's clock is behind.",
            "Set the clock (`timedatectl` shows it, and whether it is set from the network): the door then connects by "
            "itself.",
            "clock",
        )
    return LinkUnavailable(f"The broker's certificate at {at} is not accepted: {error.verify_message}.", _PAIR, "tls")


def _tls(error: ssl.SSLError, at: str) -> LinkUnavailable:
    """Alerts that the broker sent, and everything else that goes wrong in TLS."""
    reason = (error.reason or "").upper()
    if "CERTIFICATE_EXPIRED" in reason:
        return own_certificate_expired(at)
    if "CERTIFICATE_REVOKED" in reason:
        return LinkUnavailable(
            f"The broker at {at} refuses this client's certificate: it was revoked.", _PAIR, "client_revoked"
        )
    if "UNKNOWN_CA" in reason or ("ALERT" in reason and "CERTIFICATE" in reason):
        return LinkUnavailable(
            f"The broker at {at} refuses this client's certificate: another CA issued it, or there is none.",
            _PAIR,
            "client_refused",
        )
    if "EOF" in reason or isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return closed(at)
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return LinkUnavailable(f"What answers at {at} speaks no TLS.", "See host and port.", "tls")
    return LinkUnavailable(f"TLS with the broker at {at} failed: {error.reason or error}.", _PAIR, "tls")
