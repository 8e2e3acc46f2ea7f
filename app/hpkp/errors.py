"""The one family of errors that the domain raises.

::

    HpkpError
    ├── InvalidPin           a text that is no pin
    ├── InvalidHost          a text that names no host
    ├── InvalidCertificate   DER from which no SubjectPublicKeyInfo can be taken
    ├── InvalidKey           a file without a key that can be pinned
    ├── InvalidHeader        a Public-Key-Pins value outside the grammar
    ├── InvalidPolicy        a pinning policy that cannot be one
    ├── InvalidFile          a file named by a setting that cannot be used
    ├── InvalidAppConfig     a file with an app's pins that cannot be read, with the place
    └── CannotExpress        pins that a form of app configuration has no words for
"""


class HpkpError(ValueError):
    """Something handed in is not what it should be; the message says what and why."""


class InvalidPin(HpkpError):
    """The text is not a pin: base64 of 32 bytes in one of the known forms."""


class InvalidHost(HpkpError):
    """The text does not name a host."""


class InvalidCertificate(HpkpError):
    """The bytes are not DER with a SubjectPublicKeyInfo in the expected place."""


class InvalidKey(HpkpError):
    """The bytes hold no certificate, certification request, public or private key that could be read."""


class InvalidHeader(HpkpError):
    """The value of a Public-Key-Pins field does not conform to RFC 7469 section 2.1."""


class InvalidPolicy(HpkpError):
    """The pinning policy contradicts itself or lacks what every policy needs."""


class InvalidFile(HpkpError):
    """A file that a setting names cannot be used; the message names the setting and the file."""


class InvalidAppConfig(HpkpError):
    """The file with an app's pins cannot be read; the message begins with the place, if there is one."""

    def __init__(self, reason: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place, self.reason = place, reason


class CannotExpress(HpkpError):
    """The form of app configuration cannot express the pins; the message names each thing that would be lost."""
