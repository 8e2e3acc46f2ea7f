"""Texts that are nearly host names: with scope ids, control characters, markup, odd lengths and odd alphabets."""

from hypothesis import strategies as st

PLAIN_HOST = r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}"
"""Whatever was read as a host has this form."""

_LABELS = st.one_of(
    st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True),
    st.text(min_size=1, max_size=8),
    st.sampled_from(
        [
            "", "*", "-", "_", "www", "B\u00fccher", "xn--", "xn--a", "xn--bcher-kva", "x" * 63, "x" * 64, "..",
            "<script>alert(1)</script>", "<b>", "&amp;", "\"'", "a\r\nb", "a\x00b", "\x1b[31m", "%00", "\u2028",
            "\u202e", "\ud800", "\u0130",
        ]
    ),
)  # fmt: skip
_NAMES = st.lists(_LABELS, min_size=1, max_size=6).map(".".join)
_LONG = st.integers(1, 160).map(lambda count: "a." * count + "example")
_ADDRESSES = st.one_of(st.ip_addresses().map(str), st.ip_addresses(v=6).map(lambda address: address.exploded))
_SCOPED = st.tuples(_ADDRESSES, st.one_of(_LABELS, st.just("x" * 300))).map("%".join)
_DRESSED = st.tuples(
    st.sampled_from(["", " ", "[", "https://", "a@", "\t", "\n"]),
    st.one_of(_NAMES, _LONG, _ADDRESSES, _SCOPED),
    st.sampled_from(["", " ", "]", ".", ":443", "/", "?", "#", "%", "\n", "\x00"]),
).map("".join)


def odd_hosts() -> st.SearchStrategy[str]:
    """Return a strategy of texts that are given for hosts."""
    return st.one_of(_NAMES, _LONG, _ADDRESSES, _SCOPED, _DRESSED)
