"""XML with nothing that is dangerous: no entities, no document type, bounded size, depth and number of elements.

Expat is used directly, because its events carry line numbers, which a refusal names. Entities are refused where they
are declared, so none is ever expanded.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

from app.app_configs.limits import MAX_DEPTH, MAX_NODES
from app.hpkp.errors import InvalidAppConfig


@dataclass(slots=True)
class XmlElement:
    """An element with its line, from 1. ``text`` is all character data directly in it."""

    name: str
    attributes: dict[str, str]
    line: int
    children: list["XmlElement"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The character data, as it is written."""
        return "".join(self.pieces)

    @property
    def place(self) -> str:
        """Where it is, for a refusal."""
        return f"line {self.line}, <{self.name}>"

    def all(self, name: str) -> list["XmlElement"]:
        """Return the direct children of a name."""
        return [child for child in self.children if child.name == name]


def parse_xml(data: bytes, *, doctype: str | None = None) -> XmlElement:
    """Parse a document; ``doctype`` is the one document type that may be named, without an internal subset.

    The external identifier of a document type is ignored, and nothing is fetched. Raises InvalidAppConfig.
    """
    return _Builder(doctype).parse(data)


class _Builder:
    def __init__(self, doctype: str | None) -> None:
        self.doctype = doctype
        self.open: list[XmlElement] = []
        self.root: XmlElement | None = None
        self.count = 0
        self.parser = expat.ParserCreate()
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._entity

    def parse(self, data: bytes) -> XmlElement:
        try:
            self.parser.Parse(data, True)
        except expat.ExpatError as error:
            place = f"line {error.lineno}, column {error.offset + 1}"
            raise InvalidAppConfig(f"not XML: {expat.ErrorString(error.code)}", place=place) from None
        except (LookupError, ValueError) as error:
            if isinstance(error, InvalidAppConfig):
                raise
            raise InvalidAppConfig(
                f"the XML cannot be decoded: {error}", place="line 1"
            ) from None  # a made-up encoding
        assert self.root is not None, "expat takes no document without an element"
        return self.root

    def _refuse(self, reason: str) -> InvalidAppConfig:
        return InvalidAppConfig(reason, place=f"line {self.parser.CurrentLineNumber}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if self.count > MAX_NODES:
            raise self._refuse(f"the XML has more than {MAX_NODES} elements")
        if len(self.open) >= MAX_DEPTH:
            raise self._refuse(f"the XML is nested more than {MAX_DEPTH} levels deep")
        element = XmlElement(name, attributes, self.parser.CurrentLineNumber)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def _end(self, _name: str) -> None:
        self.open.pop()

    def _text(self, text: str) -> None:
        self.open[-1].pieces.append(text)

    def _doctype(self, name: str, _system: str | None, _public: str | None, has_internal_subset: int) -> None:
        if has_internal_subset:
            raise self._refuse("a document type with declarations is refused")
        if name != self.doctype:
            raise self._refuse(f"a document type is refused here: <!DOCTYPE {name[:80]}>")

    def _entity(self, name: str, *_rest: object) -> None:
        raise self._refuse(f"an entity declaration is refused: {name[:80]}")
