"""Textual encodings (RFC 7468), read leniently: any line length, any newline, text around the blocks."""

import codecs
import re
from binascii import a2b_base64
from collections.abc import Iterator
from dataclasses import dataclass

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)(?:-----END \1-----|\Z)", re.DOTALL)

_MARKS = (
    # The mark of UTF-32 in little endian begins with that of UTF-16, so it is asked for first.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)

CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"})


@dataclass(frozen=True, slots=True)
class PemBlock:
    """One block: its label, what stands between the lines, and the whole."""

    label: str
    content: str
    text: str

    def decode(self) -> bytes:
        """Return the DER. Raises ValueError where the content is not base64."""
        # Characters outside of the alphabet are skipped, blanks and line breaks among them.
        return a2b_base64(self.content)


def decode_text(data: bytes) -> str:
    """Decode a text file by its byte order mark, as Windows tools write one; UTF-8 without. Never raises."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, "replace")


def pem_blocks(text: str) -> Iterator[PemBlock]:
    """Find the blocks of a text in their order; a missing END line ends with the text."""
    for match in _BLOCK.finditer(text):
        yield PemBlock(match[1], match[2], match[0])
