"""Certificates as senders write them: PEM of any line length, or DER in bare base64.

Reading a certificate is most of the work of reading a report, and senders repeat theirs, so certificates are kept
by their text in a bounded cache, with the form in which they were written: senders differ in it.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import replace
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple

from app.hpkp.x509.certificate import Chain, Element, UnreadableCertificate, read_certificate
from app.hpkp.x509.pem import CERTIFICATE_LABELS, pem_blocks
from app.senders.private_keys import FOUND, is_private_key
from app.senders.weighted_lru import WeightedLRU
from app.senders.wire import MAX_CHAIN, NotAReport

_LONGEST_KEPT = 8192
"""Characters of a text that is kept; a certificate takes 1000 to 4000, and padding must not fill the memory."""

_WEIGHT = 3
"""A text weighs itself, the DER, and what the X.509 library makes of it."""

_BEGIN, _END = "-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----"


class PemForm(Enum):
    """How a sender breaks the lines of a certificate; the value is the form of the whole text."""

    COLUMNS_64 = re.compile(rf"{_BEGIN}(?:[A-Za-z0-9+/]{{64}}\n)*[A-Za-z0-9+/=]{{1,64}}{_END}\n")
    """LF everywhere, and one at the end."""
    COLUMNS_64_CRLF = re.compile(rf"{_BEGIN}(?:[A-Za-z0-9+/]{{64}}\r\n)*[A-Za-z0-9+/=]{{1,64}}{_END}")
    """CRLF between the lines of base64, LF around them, nothing at the end."""
    COLUMNS_76 = re.compile(rf"{_BEGIN}(?:[A-Za-z0-9+/]{{76}}\n)*[A-Za-z0-9+/=]{{1,76}}{_END}\n")
    """LF everywhere, and one at the end."""


class _Kept(NamedTuple):
    elements: tuple[Element, ...]
    forms: frozenset[PemForm]


class CertificateReader:
    """Reads certificate texts, and keeps the ones it has read."""

    def __init__(self, *, max_bytes: int = 8_000_000) -> None:
        self._kept: WeightedLRU[str, _Kept] = WeightedLRU(max_bytes)

    def read_chain(self, value: list[Any] | str | None, pointer: str) -> Chain | None:
        """Read a chain member; None where the sender sent none.

        Raises NotAReport for a chain that is too long or holds a private key.
        """
        if value is None:
            return None
        if isinstance(value, str):
            places = [(value, pointer)]
        else:
            places = [(text, f"{pointer}/{index}") for index, text in enumerate(value)]
        if len(places) > MAX_CHAIN:
            raise NotAReport(pointer, f"{len(places)} certificates; at most {MAX_CHAIN} are accepted")
        chain: list[Element] = []
        for text, place in places:
            chain.extend(self._read(text, len(chain), place))
            if len(chain) > MAX_CHAIN:
                raise NotAReport(pointer, f"more than {MAX_CHAIN} certificates")
        return tuple(chain)

    def written_as(self, form: PemForm, *chains: list[Any] | str | None) -> bool:
        """Whether every text of these chain members is written in this form; other values do not count."""
        return all(form in self._forms(text) for chain in chains for text in _texts(chain))

    def _forms(self, text: str) -> frozenset[PemForm]:
        kept = self._kept.get(text)
        return _forms_of(text) if kept is None else kept.forms

    def _read(self, text: Any, position: int, pointer: str) -> tuple[Element, ...]:
        if not isinstance(text, str):
            return (UnreadableCertificate(position, f"a text is expected, this is a {type(text).__name__}"),)
        if (kept := self._kept.get(text)) is None:
            kept = _Kept(tuple(_read_text(text, pointer)), _forms_of(text))
            if len(text) <= _LONGEST_KEPT:
                self._kept.put(text, kept, weight=_WEIGHT * len(text))
        return tuple(
            replace(element, position=position + offset) if isinstance(element, UnreadableCertificate) else element
            for offset, element in enumerate(kept.elements)
        )


def _texts(value: list[Any] | str | None) -> list[str]:
    return [value] if isinstance(value, str) else [text for text in value or () if isinstance(text, str)]


def _forms_of(text: str) -> frozenset[PemForm]:
    return frozenset(form for form in PemForm if form.value.fullmatch(text))


def _read_text(text: str, pointer: str) -> list[Element]:
    blocks = list(islice(pem_blocks(text), MAX_CHAIN + 1))
    for content in [block.content for block in blocks] or [text]:
        if is_private_key(content):
            raise NotAReport(pointer, FOUND)
    if not blocks:
        return [_read_base64(text)]
    return [
        _read_base64(block.content)
        if block.label in CERTIFICATE_LABELS
        else UnreadableCertificate(0, f"the PEM block is a {block.label}")
        for block in blocks
    ]


def _read_base64(text: str) -> Element:
    if not text.strip():
        return UnreadableCertificate(0, "the text is empty")
    try:
        return read_certificate(a2b_base64(text))
    except (Base64Error, ValueError) as error:
        return UnreadableCertificate(0, f"not base64: {error}")
