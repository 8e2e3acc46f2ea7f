"""The line that makes a web server send a field: each server's quoting, and what it cannot carry.

A value has no line breaks and no control characters, so all that has to be minded is quoting. Pins, numbers and
directive names need none; what a server cannot carry can only stand in the report-uri, where it is percent-encoded
(RFC 3986 section 2.1).
"""

from dataclasses import replace
from enum import StrEnum
from xml.sax.saxutils import quoteattr

from app.hpkp.errors import InvalidHeader
from app.hpkp.header.value import PinningHeader

ENFORCING, REPORT_ONLY = "Public-Key-Pins", "Public-Key-Pins-Report-Only"


class Server(StrEnum):
    """Servers whose configuration is known here."""

    HAPROXY = "haproxy"
    NGINX = "nginx"
    APACHE = "apache"
    CADDY = "caddy"
    LIGHTTPD = "lighttpd"
    IIS = "iis"
    TEXT = "text"
    """The field as it goes over the wire."""


_NOT_IN_A_URI = frozenset(' "<>\\^`{|}')
"""Characters that RFC 3986 allows nowhere in a URI; browsers encode them, other senders may not."""

_CANNOT_CARRY: dict[Server, frozenset[str]] = {
    Server.HAPROXY: frozenset("'"),
    Server.NGINX: frozenset("$'"),
    Server.APACHE: frozenset("'"),
    Server.CADDY: frozenset(),
    Server.LIGHTTPD: frozenset(),
    Server.IIS: frozenset(),
    Server.TEXT: frozenset(),
}
"""Beyond those above: what ends the quotes, or is taken for a variable without any way to escape it."""


_ROOM_IN_HAPROXY = 1024
"""Octets: the default of tune.maxrewrite."""


def for_server(header: PinningHeader, server: Server) -> PinningHeader:
    """Return the header with its report-uri percent-encoded as far as the server needs it.

    Raises InvalidHeader for a report-uri with a control character.
    """
    uri = header.report_uri
    if uri is None:
        return header
    if not uri.isprintable():
        raise InvalidHeader("the report-uri holds a control character, which no field can carry")
    unfit = _NOT_IN_A_URI | _CANNOT_CARRY[server]
    encoded = "".join(_encode(c) if c in unfit or not c.isascii() else c for c in uri)
    return replace(header, report_uri=encoded)


def _encode(c: str) -> str:
    return "".join(f"%{octet:02X}" for octet in c.encode())


def server_line(header: PinningHeader, server: Server, *, report_only: bool) -> str:
    """Return the one line of configuration that sends the header, on every response where the server can.

    Give it a header that went through `for_server`.
    """
    name, value = REPORT_ONLY if report_only else ENFORCING, str(header)
    match server:
        case Server.HAPROXY:
            return f"http-after-response set-header {name} '{value.replace('%', '%%')}' if {{ ssl_fc }}"
        case Server.NGINX:
            return f"add_header {name} '{value}' always;"
        case Server.APACHE:
            return f"Header always set {name} '{value.replace('%', '%%')}'"
        case Server.CADDY:
            return f"header {name} `{value}`"
        case Server.LIGHTTPD:
            quoted = value.replace('"', '\\"')
            return f'setenv.add-response-header += ("{name}" => "{quoted}")'
        case Server.IIS:
            return f"<add name={quoteattr(name)} value={_attribute(value)} />"
        case Server.TEXT:
            return f"{name}: {value}"


def caution(header: PinningHeader, server: Server, *, report_only: bool) -> str | None:
    """Return what has to be minded besides the line, where there is something."""
    length = len(REPORT_ONLY if report_only else ENFORCING) + len(str(header))
    if server is Server.HAPROXY and length > _ROOM_IN_HAPROXY // 2:
        return (
            f"The field takes {length} of the {_ROOM_IN_HAPROXY} octets that HAProxy keeps free for all fields that "
            "it adds; without room it answers 500 in place of large responses. Set tune.maxrewrite to 4096 in global."
        )
    return None


def _attribute(value: str) -> str:
    """Write an XML attribute in double quotes, whatever it holds."""
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return f'"{escaped}"'


PLACE: dict[Server, str] = {
    Server.HAPROXY: "in the frontend that terminates TLS; covers HAProxy's own errors except 400 Bad Request",
    Server.NGINX: "in the server block; repeat it in every location that has its own add_header",
    Server.APACHE: "in the virtual host, with mod_headers",
    Server.CADDY: "in the site block",
    Server.LIGHTTPD: "in lighttpd.conf, with mod_setenv among server.modules",
    Server.IIS: "in web.config, under system.webServer/httpProtocol/customHeaders (never run in an IIS: try it)",
    Server.TEXT: "as a response field",
}
"""Where the line belongs."""
