"""``CertificatePinner`` of OkHttp and Ktor for Darwin, in the text of Kotlin or Java.

::

    CertificatePinner.Builder().add("PATTERN", "sha256/BASE64", …)…     PATTERN: name | "*." name | "**." name

Only literals are read. A name with a pin that is not literal is refused, because without it the name would look like
one without pins.
"""

from collections.abc import Iterator

from app.app_configs.limits import AppConfig
from app.app_configs.names import checked_name
from app.app_configs.pin_text import okhttp_pin
from app.app_configs.source_text import Kind, Token, arguments_of, tokens_of
from app.hpkp.app_pins.forms import Form, Scope
from app.hpkp.app_pins.model import CarriedPin, PinEntry, PinLayer
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.findings import Finding, Severity

MARK = "CertificatePinner"

READ_FROM_SOURCE = Finding(
    "read_from_source",
    Severity.INFO,
    "The pins were read from source text: constants, flavors and loops were not followed, and whether the code runs is "
    "unknown.",
    "Compare them with the built app.",
)

_PREFIXES = {"**.": Scope.NAME_AND_BELOW, "*.": Scope.ONE_LABEL}
_WRITTEN = {Scope.NAME_AND_BELOW: "**.", Scope.ONE_LABEL: "*.", Scope.EXACT: ""}


def read_okhttp(text: str) -> AppConfig:
    """Read every ``add`` of a pattern with pins. Raises InvalidAppConfig."""
    found: dict[tuple[str, Scope], list[CarriedPin]] = {}
    for pattern, pins in _calls(tokens_of(text)):
        found.setdefault(_name_and_scope(pattern), []).extend(
            okhttp_pin(pin.value or "", place=pin.place) for pin in pins
        )
    entries = tuple(PinEntry(name, scope, pins=tuple(pins)) for (name, scope), pins in found.items())
    if not entries:
        raise InvalidAppConfig('CertificatePinner is named, and no add("host", "sha256/…") was found')
    return AppConfig((PinLayer(Form.OKHTTP, entries),), findings=(READ_FROM_SOURCE,))


def _calls(tokens: list[Token]) -> Iterator[tuple[Token, list[Token]]]:
    """Find the pattern and the pins of each call; a list's ``add("a")`` and such is none."""
    for position, token in enumerate(tokens[:-1]):
        if token.kind is not Kind.NAME or token.value != "add" or not tokens[position + 1].is_mark("("):
            continue
        first, *others = arguments_of(tokens, position + 1) or [[]]
        if not others or not (_is_pattern(first) or any(_is_pin(argument) for argument in others)):
            continue
        if not _is_pattern(first):
            raise InvalidAppConfig("the host of these pins is no literal", place=token.place)
        for argument in others:
            if len(argument) != 1 or argument[0].kind is not Kind.TEXT or argument[0].value is None:
                reason = (
                    f"the pins of {first[0].value} are defined elsewhere; write them as literals, or import the build"
                )
                raise InvalidAppConfig(reason, place=token.place)
        yield first[0], [argument[0] for argument in others]


def _is_pattern(argument: list[Token]) -> bool:
    return len(argument) == 1 and argument[0].kind is Kind.TEXT and "." in (argument[0].value or "")


def _is_pin(argument: list[Token]) -> bool:
    return len(argument) == 1 and (argument[0].value or "").startswith(("sha256/", "sha1/"))


def _name_and_scope(pattern: Token) -> tuple[str, Scope]:
    text = (pattern.value or "").lower()
    prefix = next((known for known in _PREFIXES if text.startswith(known)), "")
    name = checked_name(text.removeprefix(prefix), place=pattern.place)
    if any(character in name for character in "*:/"):
        raise InvalidAppConfig(f"OkHttp does not take the pattern {text[:80]!r}", place=pattern.place)
    return name, _PREFIXES.get(prefix, Scope.EXACT)


def write_okhttp(entries: tuple[PinEntry, ...]) -> str:
    """Write Kotlin."""
    lines = ["val certificatePinner = CertificatePinner.Builder()"]
    for entry in entries:
        pins = ", ".join(f'"sha256/{pin}"' for pin in entry.pins)
        lines.append(f'    .add("{_WRITTEN[entry.scope]}{entry.name}", {pins})')
    return "\n".join((*lines, "    .build()", ""))
