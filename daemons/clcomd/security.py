"""Message security of clcomd: the cluster's certificate, and TLS under it.

With the security levels Med and High every connection between clcomds is encrypted: after the key challenge both sides
go over to TLS (RFC 8446), and each shows the cluster's certificate, the only one that either trusts. The certificate is
made by the first synchronization with such a level, or is the one that CERTIFICATE and PRIVATE_KEY name; it travels to
the nodes with the configuration. A node has it or not, and is secured or not accordingly.
"""

from __future__ import annotations

import os

from srcctl.node.root import NodeRoot, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

CERTIFICATE_FILE, PRIVATE_KEY_FILE = "/etc/cluster/certificate.pem", "/etc/cluster/privkey.pem"
FILES = (CERTIFICATE_FILE, PRIVATE_KEY_FILE)
ENCRYPTED_LEVELS = ("MED", "MEDIUM", "HIGH")
DAYS = 3650
PEM_MAX = 64 << 10
"""Bytes of a certificate or key in PEM."""


class SecurityFault(Exception):
    """The certificate cannot be made or used; ``str()`` is one sentence."""


def encrypts(level: str) -> bool:
    """Whether a security level encrypts messages."""
    return level.upper() in ENCRYPTED_LEVELS


def is_secured(root: NodeRoot) -> bool:
    """Whether this node has the cluster's certificate."""
    return os.path.exists(root.path(PRIVATE_KEY_FILE)) and os.path.exists(root.path(CERTIFICATE_FILE))


def context(root: NodeRoot, server: bool) -> ssl.SSLContext:
    """A context that shows the cluster's certificate and trusts nothing else.

    Raises:
        SecurityFault: the certificate and the key cannot be used.
    """
    import ssl

    certificate, key = root.path(CERTIFICATE_FILE), root.path(PRIVATE_KEY_FILE)
    try:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        # The certificate names the cluster, not a host: who has its key is a member.
        made.check_hostname = False
        made.verify_mode = ssl.CERT_REQUIRED
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        made.load_cert_chain(certificate, key)
        made.load_verify_locations(certificate)
    except (OSError, ValueError) as error:
        raise SecurityFault(f"the cluster's certificate cannot be used: {error}") from None
    return made


def make(cluster: str) -> tuple[str, str]:
    """A new self-signed certificate and its key, both PEM, by the host's openssl.

    Raises:
        SecurityFault: the host has no openssl, or it fails.
    """
    import shutil
    import subprocess
    import tempfile

    program = shutil.which("openssl")
    if program is None:
        raise SecurityFault(
            "a certificate cannot be made because this host has no openssl: install it, or name a certificate "
            "with CERTIFICATE and PRIVATE_KEY."
        )
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = os.path.join(folder, "certificate"), os.path.join(folder, "key")
        done = subprocess.run(
            [
                program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", str(DAYS), "-subj", f"/CN={cluster}", "-keyout", key, "-out", certificate,
            ],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise SecurityFault(f"openssl cannot make a certificate: {last}")
        return _read(certificate), _read(key)


def read(root: NodeRoot, certificate: str, key: str) -> tuple[str, str]:
    """A certificate and key that the administrator names (product paths).

    Raises:
        SecurityFault: they cannot be read, or do not belong together.
    """
    import ssl

    real = root.path(certificate), root.path(key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*real)
        return _read(real[0]), _read(real[1])
    except (OSError, ValueError) as error:
        raise SecurityFault(f"the certificate {certificate} with the key {key} cannot be used: {error}") from None


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read(PEM_MAX)


def installed(root: NodeRoot) -> tuple[str, str] | None:
    """The certificate and key that this node has."""
    try:
        return _read(root.path(CERTIFICATE_FILE)), _read(root.path(PRIVATE_KEY_FILE))
    except (OSError, ValueError):
        return None


def install(root: NodeRoot, pair: tuple[str, str] | None) -> None:
    """Make a certificate and key this node's; None takes them away, and the node speaks plainly again.

    Raises:
        OSError: they cannot be written.
    """
    if pair is None:
        for path in reversed(FILES):
            try:
                os.unlink(root.path(path))
            except FileNotFoundError:
                pass
    elif installed(root) != pair:
        os.makedirs(os.path.dirname(root.path(CERTIFICATE_FILE)), exist_ok=True)
        for path, text in zip(FILES, pair, strict=True):
            replace_file(root.path(path), text.encode(), 0o600)
