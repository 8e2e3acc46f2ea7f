"""Names in their normal form, and as text."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hpkp.x509.der import encode_oid, write_oid
from app.hpkp.x509.names import normalize_name, read_name

UTF8, PRINTABLE, TELETEX, IA5, UNIVERSAL, BMP, BIT_STRING = 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E, 0x03
ENCODINGS = {UTF8: "utf-8", PRINTABLE: "ascii", IA5: "ascii", UNIVERSAL: "utf-32-be", BMP: "utf-16-be"}
COMMON_NAME, ORGANIZATION = "2.5.4.3", "2.5.4.10"

TEXTS = st.text(string.ascii_letters + string.digits + " .-", max_size=20)
KINDS = st.sampled_from([COMMON_NAME, ORGANIZATION, "1.2.840.113549.1.9.1"])
TAGS = st.sampled_from(sorted(ENCODINGS))
NAMES = st.lists(st.lists(st.tuples(KINDS, TEXTS), min_size=1, max_size=3), max_size=5)


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes((size,)) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes((tag,)) + length + content


def attribute(kind: str, value: bytes) -> bytes:
    return tlv(0x30, tlv(0x06, encode_oid(kind)) + value)


def text(tag: int, value: str) -> bytes:
    return tlv(tag, value.encode(ENCODINGS[tag]))


def name(*rdns: list[bytes]) -> bytes:
    return tlv(0x30, b"".join(tlv(0x31, b"".join(rdn)) for rdn in rdns))


def common_name(value: bytes) -> bytes:
    return name([attribute(COMMON_NAME, value)])


def _encode(rdns: list[list[tuple[str, str]]], tag: int) -> bytes:
    return name(*([attribute(kind, text(tag, value)) for kind, value in rdn] for rdn in rdns))


@given(NAMES, TAGS, TAGS, st.randoms(use_true_random=False))
def test_string_type_case_blanks_and_the_order_within_an_rdn_do_not_matter(rdns, one, other, chance) -> None:  # type: ignore[no-untyped-def]
    changed = []
    for rdn in rdns:
        shuffled = [(kind, f"  {value.swapcase().replace(' ', '   ')} ") for kind, value in rdn]
        chance.shuffle(shuffled)
        changed.append(shuffled)
    assert normalize_name(_encode(rdns, one)) == normalize_name(_encode(changed, other))


@given(NAMES, NAMES)
def test_names_that_differ_otherwise_are_different(
    one: list[list[tuple[str, str]]], other: list[list[tuple[str, str]]]
) -> None:
    def canonical(rdns: list[list[tuple[str, str]]]) -> list[list[tuple[str, str]]]:
        return [sorted((kind, " ".join(value.lower().split())) for kind, value in rdn) for rdn in rdns]

    same = normalize_name(_encode(one, UTF8)) == normalize_name(_encode(other, PRINTABLE))
    assert same is (canonical(one) == canonical(other))


def test_letters_beyond_a_to_z_are_not_folded() -> None:
    assert normalize_name(common_name(text(UTF8, "ÄB"))) == normalize_name(common_name(text(BMP, "Äb")))
    assert normalize_name(common_name(text(UTF8, "Ä"))) != normalize_name(common_name(text(UTF8, "ä")))


def test_teletex_strings_are_compared_as_bytes() -> None:
    teletex = [common_name(tlv(TELETEX, value)) for value in (b"Name", b"Name", b"name")]
    assert normalize_name(teletex[0]) == normalize_name(teletex[1])
    assert normalize_name(teletex[0]) != normalize_name(teletex[2])
    assert normalize_name(teletex[0]) != normalize_name(common_name(text(UTF8, "Name")))


def test_a_name_that_cannot_be_read_is_equal_to_itself_alone() -> None:
    broken = common_name(b"")
    assert read_name(broken).reason
    assert normalize_name(broken) == normalize_name(bytes(broken))
    assert normalize_name(broken) != normalize_name(broken + b"\x00")
    readable = normalize_name(common_name(text(UTF8, "a")))
    assert normalize_name(bytes(readable)) != readable, "nobody can imitate a normal form"


@pytest.mark.parametrize(
    ("der", "written"),
    [
        (
            name([attribute(ORGANIZATION, text(UTF8, "A, Inc."))], [attribute(COMMON_NAME, text(BMP, "Ö"))]),
            "CN=Ö,O=A\\, Inc.",
        ),
        (name([attribute(ORGANIZATION, text(UTF8, "A")), attribute(COMMON_NAME, text(UTF8, "B"))]), "O=A+CN=B"),
        (common_name(text(UTF8, "#a ")), "CN=\\#a\\ "),
        (common_name(text(UTF8, "a\0b")), "CN=a\\00b"),
        (common_name(text(UTF8, " ")), "CN=\\ "),
        (common_name(tlv(BIT_STRING, b"\x00\xff")), "CN=#030200ff"),
        (common_name(tlv(UTF8, b"\xff")), "CN=#0c01ff"),
        (common_name(tlv(BMP, b"\x00a\x00")), "CN=#1e03006100"),
        (common_name(tlv(TELETEX, b"\xe4")), "CN=ä"),
        (name([attribute("1.2.840.113549.1.9.1", text(IA5, "a@example.com"))]), "1.2.840.113549.1.9.1=a@example.com"),
        (name(), ""),
        (name([]), "<unreadable: empty RelativeDistinguishedName at byte 2>"),
        (b"\x30\x05", "<unreadable: element at byte 0 is longer than what holds it>"),
        (name(*[[attribute(COMMON_NAME, text(UTF8, "a"))]] * 25), "<unreadable: more than 24 elements up to byte 292>"),
    ],
)
def test_a_name_is_written_as_far_as_it_can_be_read(der: bytes, written: str) -> None:
    assert str(read_name(der)) == written


@given(st.binary(max_size=80))
def test_any_bytes_are_a_name_or_a_reason(der: bytes) -> None:
    read = read_name(der)
    assert isinstance(str(read), str)
    assert (normalize_name(der)[:1] == b"?") is (read.reason is not None)


@given(st.lists(st.integers(0, 2**70), max_size=8), st.integers(0, 2), st.integers(0, 39))
def test_object_identifiers_are_written_as_they_were_given(arcs: list[int], first: int, second: int) -> None:
    dotted = ".".join(map(str, (first, second, *arcs)))
    encoded = encode_oid(dotted)
    assert write_oid(encoded) == (dotted if len(encoded) <= 64 else "0x" + encoded[:64].hex())
