"""The maker of certbot directory trees: archive/NAME with numbered files, live/NAME with links to the current ones."""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.authority import Issued, PrivateKey, Site, make_site, new_key

NAME = "www.example.com"


def private_pem(key: PrivateKey) -> str:
    """Write a private key as certbot does: PKCS #8 in PEM, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


@dataclass
class CertbotTree:
    """A configuration directory like /etc/letsencrypt with one lineage."""

    root: Path
    site: Site = field(default_factory=make_site)

    def __post_init__(self) -> None:
        """Make the directories, with the README that certbot puts beside the links."""
        self.archive.mkdir(parents=True)
        self.live.mkdir(parents=True)
        (self.live / "README").write_text("This directory contains your keys and certificates.\n")

    @property
    def archive(self) -> Path:
        return self.root / "archive" / NAME

    @property
    def live(self) -> Path:
        return self.root / "live" / NAME

    def add(self, number: int, *, key: PrivateKey | None = None, privkey: PrivateKey | None = None) -> Issued:
        """Add a generation as a renewal would; ``privkey`` puts a key there that is not the certificate's."""
        issued = self.site.intermediate.issue(NAME, names=[NAME, "example.com"], key=key)
        self.write(f"cert{number}.pem", issued.pem)
        self.write(f"chain{number}.pem", self.site.intermediate.pem)
        self.write(f"fullchain{number}.pem", issued.pem + self.site.intermediate.pem)
        self.write(f"privkey{number}.pem", private_pem(privkey or issued.key))
        return issued

    def add_key(self, number: int) -> PrivateKey:
        """Add a key made ahead."""
        key = new_key()
        self.write(f"privkey{number}.pem", private_pem(key))
        return key

    def add_request(self, number: int, key: PrivateKey) -> None:
        """Add a request for a certificate that is still to come."""
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        self.write(f"csr{number}.pem", request.public_bytes(Encoding.PEM).decode("ascii"))

    def write(self, name: str, text: str) -> None:
        """Write a file of the archive."""
        (self.archive / name).write_text(text)

    def link(self, number: int, *parts: str) -> None:
        """Let live/NAME point to a generation, with relative links like certbot's."""
        for part in parts or ("cert", "chain", "fullchain", "privkey"):
            path = self.live / f"{part}.pem"
            path.unlink(missing_ok=True)
            path.symlink_to(Path("../../archive") / NAME / f"{part}{number}.pem")
