"""The configuration that sends control pins to a share of clients, and the usual field to the others.

::

    hash of (address, user agent, day) < share ──> control field, else the usual one

A client is in the share for a whole day, for all its responses: then the clients of the day can be counted from logs,
and each has as many chances to report as any other client. The next day has another share. Caddy has no hash: there
each response is drawn by itself.
"""

from dataclasses import dataclass

from app.hpkp.errors import InvalidHeader
from app.hpkp.header.server_lines import ENFORCING, REPORT_ONLY, Server, for_server, server_line
from app.hpkp.header.value import PinningHeader

SMALLEST_SHARE, LARGEST_SHARE = 0.1, 50.0
"""Percent. More than half leaves too few clients with the policy's own pins."""

_DIGITS = 3
_STEPS = 16**_DIGITS
_HEX = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class ConfigurationPart:
    """Lines of configuration, and where they belong."""

    place: str
    text: str


def split_configuration(
    control: PinningHeader, usual: PinningHeader, server: Server, *, percent: float, enforced: bool
) -> tuple[ConfigurationPart, ...]:
    """Return what makes a server send the control field to ``percent`` of clients.

    Where the policy is enforced, all get the enforcing field, and the share gets the control field besides. Raises
    InvalidHeader for a share out of bounds, and for a server that cannot choose.
    """
    if not SMALLEST_SHARE <= percent <= LARGEST_SHARE:
        raise InvalidHeader(f"the control share is {SMALLEST_SHARE} to {LARGEST_SHARE:.0f} percent, not {percent:g}")
    control, usual = for_server(control, server), for_server(usual, server)
    match server:
        case Server.NGINX:
            return _nginx(control, usual, percent, enforced=enforced)
        case Server.HAPROXY:
            return _haproxy(control, usual, percent, enforced=enforced)
        case Server.APACHE:
            return _apache(control, usual, percent, enforced=enforced)
        case Server.CADDY:
            return _caddy(control, usual, percent, enforced=enforced)
        case Server.LIGHTTPD | Server.IIS | Server.TEXT:
            raise InvalidHeader(
                f"{server} cannot choose a share of clients: send the control field on a separate name below the "
                "host (hpkp control make HOST --domain NAME), or let a proxy in front choose"
            )


def _nginx(
    control: PinningHeader, usual: PinningHeader, percent: float, *, enforced: bool
) -> tuple[ConfigurationPart, ...]:
    others = "''" if enforced else f"'{usual}'"
    http = (
        'map $time_iso8601 $hpkp_day { "~^(?<hpkp_date>[^T]+)" $hpkp_date; }\n'
        f'split_clients "$remote_addr $http_user_agent $hpkp_day" $hpkp_control {{ {percent:.2f}% 1; * ""; }}\n'
        f"map $hpkp_control $hpkp_report_only {{ 1 '{control}'; default {others}; }}"
    )
    lines = [f"add_header {REPORT_ONLY} $hpkp_report_only always;"]
    if enforced:
        lines.insert(0, server_line(usual, Server.NGINX, report_only=False))
    return (
        ConfigurationPart(
            "in the http block; access_log FILE combined if=$hpkp_control; logs the control share by itself", http
        ),
        ConfigurationPart(
            "in the server block, in place of the usual line; a location with its own add_header needs it again",
            "\n".join(lines),
        ),
    )


def _haproxy(
    control: PinningHeader, usual: PinningHeader, percent: float, *, enforced: bool
) -> tuple[ConfigurationPart, ...]:
    limit = round(percent * 100)
    chosen = f"var(txn.hpkp_client),crc32(1),mod(10000) -m int lt {limit}"
    lines = [
        'http-request set-var-fmt(txn.hpkp_client) "%[src] %[req.fhdr(user-agent)] %[date,div(86400)]"',
        f"http-after-response set-header {REPORT_ONLY} '{_percent(control)}' if {{ ssl_fc }} {{ {chosen} }}",
    ]
    if enforced:
        lines.append(server_line(usual, Server.HAPROXY, report_only=False))
    else:
        lines.append(
            f"http-after-response set-header {REPORT_ONLY} '{_percent(usual)}' if {{ ssl_fc }} !{{ {chosen} }}"
        )
    place = (
        "in the frontend that ends TLS, in place of the usual line; %[res.hdr(Public-Key-Pins-Report-Only)] in its "
        "log-format tells the control share"
    )
    return (ConfigurationPart(place, "\n".join(lines)),)


def _apache(
    control: PinningHeader, usual: PinningHeader, percent: float, *, enforced: bool
) -> tuple[ConfigurationPart, ...]:
    # %% stands for a percent sign in a value, and no variable is meant in the pattern.
    client = "%{REMOTE_ADDR} . %{HTTP_USER_AGENT} . %{TIME_YEAR} . %{TIME_MON} . %{TIME_DAY}"
    pattern = f"m#{_pattern(percent)}#"
    lines = [f"Header always set {REPORT_ONLY} '{_percent(control)}' \"expr=md5({client}) =~ {pattern}\""]
    if enforced:
        lines.append(server_line(usual, Server.APACHE, report_only=False))
    else:
        lines.append(f"Header always set {REPORT_ONLY} '{_percent(usual)}' \"expr=md5({client}) !~ {pattern}\"")
    place = (
        "in the virtual host, with mod_headers, in place of the usual line; CustomLog FILE combined with the same "
        '"expr=…" logs the control share by itself'
    )
    return (ConfigurationPart(place, "\n".join(lines)),)


def _caddy(
    control: PinningHeader, usual: PinningHeader, percent: float, *, enforced: bool
) -> tuple[ConfigurationPart, ...]:
    chosen = f'{{http.request.uuid}}.matches("{_pattern(percent)}")'
    lines = [
        f"@hpkp_control expression `{chosen}`",
        f"@hpkp_usual expression `!{chosen}`",
        f"header @hpkp_control {REPORT_ONLY} `{control}`",
        f"header {ENFORCING} `{usual}`" if enforced else f"header @hpkp_usual {REPORT_ONLY} `{usual}`",
    ]
    place = (
        "in the site block, in place of the usual line; each response is drawn by itself, so count the clients of "
        "responses whose resp_headers in the log have the control field"
    )
    return (ConfigurationPart(place, "\n".join(lines)),)


def _percent(header: PinningHeader) -> str:
    return str(header).replace("%", "%%")


def _pattern(percent: float) -> str:
    """Return a pattern for this share of texts of random hexadecimal digits: those below a number."""
    number = max(round(_STEPS * percent / 100), 1)
    alternatives, prefix = [], ""
    for place in range(_DIGITS - 1, -1, -1):
        digit = number >> 4 * place & 15
        if digit:
            alternatives.append(f"{prefix}[{_HEX[:digit]}]")
        prefix += _HEX[digit]
    return f"^(?:{'|'.join(alternatives)})"
