"""A site's certificates for its broker: one CA, certificates for the broker and for each client, a list of those that
were revoked. ECDSA P-256 (what every TLS library and broker speaks), RFC 5280 profiles that pass OpenSSL's strict
check.

The common name of a client certificate is the name that the broker's ACL knows the client by."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgeface.domain.errors import ConfigError

CA_DAYS = 3650.0
CLIENT_DAYS = 397.0  # a device that is lost for longer is paired again; renewing is one command
CRL_DAYS = (
    3650.0  # brokers refuse everybody once their list is out of date, so it never is; it is replaced, not awaited
)
_SKEW = timedelta(hours=1)  # clocks differ: a certificate is valid from an hour before it was made
# Mosquitto puts the name into ACL patterns: a wildcard or a slash in it would match other clients' topics.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Issued:
    """PEM. `serial` is what a revocation list names; `ends` the certificate's last moment."""

    certificate: bytes
    key: bytes
    serial: int
    ends: datetime

    def __repr__(self) -> str:  # the key stays out of logs
        return f"Issued(serial={self.serial:x}, ends={self.ends})"


class Authority:
    """The site's CA. Whoever has its key can make clients: it stays with the site's root key, never on a broker."""

    def __init__(self, certificate: bytes, key: bytes, password: bytes | None = None) -> None:
        """Raises ConfigError for what isn't a CA's certificate and its key."""
        try:
            self._certificate = x509.load_pem_x509_certificate(certificate)
            loaded = serialization.load_pem_private_key(key, password)
        except (ValueError, TypeError) as e:
            raise ConfigError("The CA can't be read: it is no PEM, or its passphrase is wrong.") from e
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != self._certificate.public_key():
            raise ConfigError(
                "The CA's certificate and its key do not belong together.", "Restore both from one backup."
            )
        self._key = loaded

    @classmethod
    def create(cls, site: str, now: datetime, days: float = CA_DAYS) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "edgeface"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"edgeface site {_checked(site)}"),
            ]
        )
        builder = _begin(name, name, key.public_key(), now, now + timedelta(days=days))
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(_pem(certificate), _key_pem(key))

    @property
    def certificate(self) -> bytes:
        return _pem(self._certificate)

    def key(self, password: bytes | None = None) -> bytes:
        return _key_pem(self._key, password)

    def server(self, hosts: Iterable[str], now: datetime, days: float = CLIENT_DAYS) -> Issued:
        """For a broker that is reached under these names and addresses."""
        hosts = list(hosts)
        if not hosts:
            raise ConfigError("A broker's certificate needs at least one name or address.")
        extra: list[tuple[x509.ExtensionType, bool]] = [
            (x509.SubjectAlternativeName([_general(h) for h in hosts]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        ]
        return self._issue(hosts[0][:64], now, days, extra)

    def client(self, name: str, now: datetime, days: float = CLIENT_DAYS) -> Issued:
        """With a key of its own making; `certify` is for a key that never leaves its device."""
        return self._issue(_checked(name), now, days, _CLIENT_ONLY)

    def certify(self, public_key: bytes, name: str, now: datetime, days: float = CLIENT_DAYS) -> bytes:
        """PEM client certificate for a device's key (DER SubjectPublicKeyInfo, ECDSA P-256). Raises ConfigError."""
        try:
            key = serialization.load_der_public_key(public_key)
        except (ValueError, TypeError) as e:
            raise ConfigError("The device's TLS key can't be read.", "Pair the device again.") from e
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigError("The device's TLS key is none of ECDSA P-256.", "Pair the device again.")
        return _pem(self._certify(_checked(name), key, now, days, _CLIENT_ONLY))

    def revocation_list(self, serials: Iterable[int], now: datetime, days: float = CRL_DAYS) -> bytes:
        """PEM, whole each time."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - _SKEW)
            .next_update(min(now + timedelta(days=days), self._certificate.not_valid_after_utc))
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for serial in sorted(set(serials)):
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _SKEW).build()
            builder = builder.add_revoked_certificate(one)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _issue(self, name: str, now: datetime, days: float, extra: list[tuple[x509.ExtensionType, bool]]) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certify(name, key.public_key(), now, days, extra)
        return Issued(_pem(certificate), _key_pem(key), certificate.serial_number, certificate.not_valid_after_utc)

    def _certify(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        now: datetime,
        days: float,
        extra: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        ends = min(now + timedelta(days=days), self._certificate.not_valid_after_utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _begin(subject, self._certificate.subject, key, now, ends)
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


def new_key() -> tuple[bytes, bytes]:
    """(DER SubjectPublicKeyInfo, PEM private key) for a device: the key is made where it stays."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public, _key_pem(key)


def serial(certificate: bytes) -> int:
    """Of a PEM certificate, for a revocation list. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificate(certificate).serial_number
    except ValueError as e:
        raise ConfigError("The certificate can't be read.") from e


def public_key(certificate: bytes) -> bytes:
    """DER SubjectPublicKeyInfo of a PEM certificate. Raises ConfigError."""
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
    except ValueError as e:
        raise ConfigError("The certificate can't be read.") from e
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_half(key: bytes) -> bytes:
    """DER SubjectPublicKeyInfo of a PEM private key, as `new_key` gave it."""
    private = serialization.load_pem_private_key(key, None)
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


_CLIENT_ONLY: list[tuple[x509.ExtensionType, bool]] = [
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
]


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, ends) - _SKEW)
        .not_valid_after(ends)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name[:80]!r} can't be a name in a certificate.",
            "Use 1 to 64 letters, digits, dots, dashes, underscores.",
        )
    return name


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    how: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
