"""Files made to exhaust who reads them: each is refused, within a memory and processor limit of the process."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from app.app_configs.limits import MAX_BYTES, MAX_DEPTH, MAX_NODES
from app.app_configs.recognize import read_config
from app.hpkp.errors import InvalidAppConfig
from tests.support.app_pins import APPLE, FIRST, NSC, OKHTTP

ROOT = Path(__file__).parents[2]
PIN = f'<pin digest="SHA-256">{FIRST}</pin>'


def bomb(root: str) -> str:
    """Entities of which each is ten of the one before: 10**9 characters."""
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    return f'<!DOCTYPE {root} [<!ENTITY e0 "x">{entities}]><{root}>&e9;</{root}>'


def nested(element: str, depth: int) -> str:
    return f"<network-security-config>{f'<{element}>' * depth}{f'</{element}>' * depth}</network-security-config>"


def binary_list(objects: list[bytes], *, reference_size: int = 1, offsets: list[int] | None = None) -> bytes:
    """Return a binary property list whose root is the first object."""
    at, data = [], b"bplist00"
    for value in objects:
        at.append(len(data))
        data += value
    table = struct.pack(f">{len(offsets or at)}I", *(offsets or at))
    return data + table + struct.pack(">6xBBQQQ", 4, reference_size, len(offsets or at), 0, len(data))


def doubling(levels: int) -> bytes:
    """Return arrays of which each refers to the next twice: 2**levels values."""
    return binary_list([bytes([0xA2, n + 1, n + 1]) for n in range(levels)] + [b"\x08"])


def shared_bytes() -> bytes:
    """Return 250 arrays over the same bytes, each of hundreds of thousands of references to the others."""
    length = 400_000
    array = b"\xaf\x12" + length.to_bytes(4, "big") + bytes(n % 250 for n in range(length))
    return binary_list([array], offsets=[8] * 250)


HOSTILE: dict[str, bytes] = {
    "entities that multiply": bomb("network-security-config").encode(),
    "entities in a property list": bomb("plist").encode(),
    "an external entity": b'<!DOCTYPE plist [<!ENTITY x SYSTEM "file:///etc/passwd">]><plist><string>&x;</string></plist>',
    "a parameter entity": b'<!DOCTYPE plist [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]><plist><dict/></plist>',
    "a document type in a configuration": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x"><network-security-config/>',
    "an undeclared entity": b"<plist><string>&nbsp;</string></plist>",
    "deep elements": nested("domain-config", 30_000).encode(),
    "deep elements of no meaning": nested("x", 60_000).encode(),
    "many elements": b"<network-security-config>" + b"<x/>" * 200_000 + b"</network-security-config>",
    "many attributes": b"<plist " + b" ".join(b'a%d=""' % n for n in range(90_000)) + b"><string/></plist>",
    "one long text": b"<plist><string>" + b"x" * 900_000 + b"</string></plist>",
    "a made-up encoding": b'<?xml version="1.0" encoding="x-none"?><plist/>',
    "many pins for many names": (
        "<network-security-config><domain-config>"
        + "".join(f"<domain>a{n}.example</domain>" for n in range(5_000))
        + f"<pin-set>{PIN * 5_000}</pin-set></domain-config></network-security-config>"
    ).encode(),
    "more bytes than are read": b"{" + b" " * MAX_BYTES,
    "deep JSON": b'{"domains":' + b"[" * 400_000,
    "deep JSON that ends": b'{"domains":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "a number of many digits": b'{"domains":' + b"9" * 500_000 + b"}",
    "calls within calls": OKHTTP.encode() + b'x.add("a.b",' * 60_000,
    "calls that do not end": OKHTTP.encode() + b"add(" * 200_000,
    "quotes that do not end": b"CertificatePinner" + b'"\\' * 400_000,
    "comments that do not end": b"CertificatePinner" + b"/*" * 400_000,
    "many tokens": b"CertificatePinner " + b"." * 900_000,
    "a deep literal": b"initializeSslPinning(" + b"{a:" * 200_000,
    "a binary list that doubles": doubling(60),
    "a binary list that contains itself": binary_list([b"\xa1\x00"]),
    "binary arrays over the same bytes": shared_bytes(),
    "a binary list of a huge length": binary_list([b"\xaf\x13" + (2**62).to_bytes(8, "big")]),
    "a binary text of a huge length": binary_list([b"\x5f\x13" + (2**62).to_bytes(8, "big")]),
    "a binary list of a huge number of values": b"bplist00" + struct.pack(">6xBBQQQ", 8, 8, 2**62, 2**61, 8),
    "a binary list of nothing": b"bplist00" + bytes(32),
    "a short binary list": b"bplist00",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(InvalidAppConfig) as refused:
        read_config(data)
    assert len(str(refused.value)) < 600


def test_all_hostile_files_together_need_little_memory_and_processor_time() -> None:
    """The process is killed by the system beyond 600 MB of address space or 100 s of processor time."""
    code = (
        "import resource\n"
        "from tests.app_configs.test_hostile import HOSTILE, InvalidAppConfig, read_config\n"
        "resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (100, 100))\n"
        "for data in HOSTILE.values():\n"
        "    try:\n"
        "        read_config(data)\n"
        "    except InvalidAppConfig:\n"
        "        print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["refused"] * len(HOSTILE)


def test_what_is_just_within_the_limits_is_read() -> None:
    """The limits refuse the hostile files, and not whatever is a little larger."""
    names = "".join(f'<domain includeSubdomains="true">a{n}.example</domain>' for n in range(900))
    text = f"<network-security-config><domain-config>{names}<pin-set>{PIN * 20}</pin-set></domain-config></network-security-config>"
    [layer] = read_config(text.encode()).layers
    assert len(layer.entries) == 900
    assert MAX_NODES > 900 * 20
    assert read_config(
        NSC.replace("<pin-set", f"{'<x>' * (MAX_DEPTH - 3)}{'</x>' * (MAX_DEPTH - 3)}<pin-set", 1).encode()
    )
    assert read_config(APPLE.encode())
