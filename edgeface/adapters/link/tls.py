"""A client's TLS: its three files, read anew for every connection so that a renewed certificate is used at once."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from edgeface.domain.errors import LinkUnavailable


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the CA (or CAs) that the broker's certificate comes from, this client's certificate, its key."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or later, the broker's certificate and name checked, ours shown. Raises LinkUnavailable (files)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._readable(self.ca, "CA")
        self._readable(self.certificate, "client certificate")
        self._readable(self.key, "client key")
        if self.key.stat().st_mode & 0o077:
            raise LinkUnavailable(
                f"The client key {self.key} can be read by others.", f"Run: chmod 600 {self.key}", "files"
            )
        try:
            context.load_verify_locations(cafile=self.ca)
        except (ssl.SSLError, OSError) as e:
            raise LinkUnavailable(f"The CA {self.ca} is no certificate in PEM form.", "Replace it.", "files") from e
        try:
            # A key with a passphrase must fail here: OpenSSL would ask on the terminal.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (ssl.SSLError, OSError, ValueError) as e:
            raise LinkUnavailable(
                f"The client certificate {self.certificate} and the key {self.key} do not belong together,"
                " or one of them is damaged.",
                "Replace both.",
                "files",
            ) from e
        return context

    def expires(self) -> datetime:
        """When the first of the client's certificate and its CAs ends. Raises LinkUnavailable (files)."""
        ends = [c.not_valid_after_utc for path in (self.certificate, self.ca) for c in _certificates(path)]
        return min(ends)

    def _readable(self, path: Path, what: str) -> None:
        try:
            with path.open("rb"):
                pass
        except OSError as e:
            raise LinkUnavailable(
                f"The {what} {path} can't be read: {e.strerror}.", "See the path and its mode.", "files"
            ) from e


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as e:
        raise LinkUnavailable(f"{path} can't be read: {e.strerror}.", "See the path and its mode.", "files") from e
    except ValueError as e:
        raise LinkUnavailable(f"{path} is no certificate in PEM form.", "Replace it.", "files") from e


def days_left(ends: datetime, now: datetime) -> float:
    return (ends - now).total_seconds() / 86400
