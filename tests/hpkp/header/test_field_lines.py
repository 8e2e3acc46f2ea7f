"""Fields found in what people paste: response headers and lines of server configuration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.header.field_lines import FieldValues, read_fields
from app.hpkp.header.server_lines import ENFORCING, REPORT_ONLY, Server, for_server, server_line
from app.hpkp.header.value import PinningHeader
from app.hpkp.pins import Pin

ONE, TWO = (Pin(bytes((number,)) * 32) for number in (1, 2))
VALUE = f"{ONE.directive}; {TWO.directive}; max-age=300"
ESCAPED = VALUE.replace('"', '\\"')

RESPONSE = f"HTTP/2 200 \r\nserver: nginx\r\npublic-key-pins: {VALUE}\r\ncontent-type: text/html\r\n\r\n"


@given(
    st.sampled_from(Server),
    st.booleans(),
    st.integers(0, 10**9),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
)
def test_every_line_that_is_written_for_a_server_is_read_back(
    server: Server, report_only: bool, max_age: int, path: str
) -> None:
    header = for_server(PinningHeader((ONE, TWO), max_age, report_uri=f"https://r.example/{path}"), server)
    text = f"# a comment\n    {server_line(header, server, report_only=report_only)}\n"
    [found] = read_fields(text)
    assert (found.field, found.values) == (REPORT_ONLY if report_only else ENFORCING, (str(header),))
    assert found.source is not None
    assert found.source.endswith("in line 2")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (f'add_header Public-Key-Pins "{ESCAPED}";', VALUE),
        (f"server {{ listen 443; add_header 'Public-Key-Pins' '{VALUE}' always; }}", VALUE),
        (f'Header set Public-Key-Pins "{ESCAPED}"', VALUE),
        (f"header always add public-key-pins: '{VALUE}' env=HTTPS", VALUE),
        (f'http-response add-header Public-Key-Pins "{ESCAPED}" if {{ ssl_fc }}', VALUE),
        ("rspadd Public-Key-Pins:\\ " + ESCAPED.replace(" ", "\\ "), VALUE),
        (f'"Public-Key-Pins"   =>   "{ESCAPED}",', VALUE),
        (f"header /* +Public-Key-Pins `{VALUE}`", VALUE),
        (f'\tPublic-Key-Pins "{ESCAPED}"', VALUE),
        # HAProxy eats quotes that are not escaped; what is left has none, as clients see it.
        ('rspadd Public-Key-Pins:\\ pin-sha256="x=";\\ max-age=3', "pin-sha256=x=; max-age=3"),
        # Caddy knows no single quotes; they are part of the first word.
        (f"header Public-Key-Pins '{VALUE}'", f"'{ONE.directive};"),
        # An open quote: what stands on the line.
        ("add_header Public-Key-Pins 'pin-sha256=1", "'pin-sha256=1"),
    ],
)
def test_the_value_is_what_the_server_would_send(line: str, value: str) -> None:
    [found] = read_fields(line)
    assert (found.field, found.values) == (ENFORCING, (value,))


def test_a_value_over_several_lines_keeps_its_line_breaks_as_nginx_does() -> None:
    [found] = read_fields(f"add_header Public-Key-Pins '{ONE.directive}; \\\n max-age=300';")
    assert found.values == (f"{ONE.directive}; \\\n max-age=300",)


def test_what_curl_prints_is_searched_for_the_fields() -> None:
    assert read_fields(RESPONSE) == (FieldValues(ENFORCING, (VALUE,), "response header in line 3"),)
    verbose = "> GET / HTTP/2\n> Host: x\n< HTTP/2 200 \n< Public-Key-Pins-Report-Only: max-age=3\n"
    assert read_fields(verbose) == (FieldValues(REPORT_ONLY, ("max-age=3",), "response header in line 4"),)


def test_fields_of_one_response_count_together_and_those_of_another_by_themselves() -> None:
    twice = RESPONSE.replace("content-type", "public-key-pins: max-age=3\r\nPublic-Key-Pins-Report-Only: x\r\nx-other")
    found = read_fields(twice + RESPONSE)
    assert [(item.field, item.values) for item in found] == [
        (ENFORCING, (VALUE, "max-age=3")),
        (REPORT_ONLY, ("x",)),
        (ENFORCING, (VALUE,)),
    ]
    assert found[0].source == "response header in line 3, 4"


def test_each_line_of_a_configuration_counts_by_itself_and_comments_do_not() -> None:
    text = "# add_header Public-Key-Pins 'a';\nadd_header Public-Key-Pins 'b';\nadd_header Public-Key-Pins 'b';\n"
    assert [(item.values, item.source) for item in read_fields(text)] == [
        (("b",), "nginx add_header in line 2"),
        (("b",), "nginx add_header in line 3"),
    ]


def test_a_response_without_the_fields_has_none() -> None:
    assert read_fields("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n") == ()


@pytest.mark.parametrize("text", [VALUE, f"{VALUE}\n", f"Public-Key-Pins: {VALUE}\r\n"])
def test_a_value_by_itself_is_taken_with_or_without_its_name(text: str) -> None:
    assert read_fields(text) == (FieldValues(ENFORCING, (VALUE,)),)


def test_how_a_bare_value_is_taken_can_be_said() -> None:
    assert read_fields(VALUE, report_only=True)[0].field == REPORT_ONLY
    assert read_fields(f"Public-Key-Pins: {VALUE}", report_only=True)[0].field == ENFORCING


@given(st.text(max_size=300))
def test_no_text_makes_it_fail(text: str) -> None:
    for wrapped in (text, f"add_header Public-Key-Pins {text}", f"HTTP/1.1 200\nPublic-Key-Pins: {text}"):
        assert all(item.values for item in read_fields(wrapped))
