"""The forms of app configurations: what each can express, and how the library behind it decides. Data, no rules.

Sources, read in November 2026: AOSP ``android/security/net/config``, TrustKit c48790f, TrustKit-Android, Apple's
Information Property List reference and ``SecPolicyServer.c``, OkHttp 1682d9b ``CertificatePinner.kt``,
react-native-ssl-manager 2.2.0, react-native-ssl-public-key-pinning, bamlab/react-native-app-security, Expensify/App
``pins.json``, Cronet ``CronetEngineBuilderImpl``, curl's manual.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """A form of configuration; the value is the word of the command line."""

    NSC = "nsc"
    TRUSTKIT_ANDROID = "trustkit-android"
    TRUSTKIT_PLIST = "trustkit-plist"
    TRUSTKIT_SWIFT = "trustkit-swift"
    ATS = "ats"
    OKHTTP = "okhttp"
    SSL_MANAGER = "ssl-manager"
    RN_SPKI = "rn-spki"
    EXPO_SECURITY = "expo-security"
    EXPENSIFY = "pins-json"
    CRONET = "cronet"
    CURL = "curl"
    CERTIFICATE_HASHES = "certificate-hashes"


class Scope(StrEnum):
    """The hosts for which an entry is."""

    EXACT = "exact"
    ONE_LABEL = "one_label"
    NAME_AND_ONE_LABEL = "name_and_one_label"
    NAME_AND_BELOW = "name_and_below"


class PinMode(StrEnum):
    """What happens if no pin matches: the connection fails, it is only reported, or nothing is compared at all."""

    ENFORCE = "enforce"
    MONITOR = "monitor"
    EXCLUDE = "exclude"


class PinKind(StrEnum):
    """What is hashed."""

    SPKI = "spki"
    CERTIFICATE = "certificate"


class Overlap(StrEnum):
    """Which entries count if several cover a host."""

    MOST_SPECIFIC = "most_specific"
    UNITED = "united"
    FIRST_MATCH = "first_match"
    """The exact name, else the first in the order of the file."""


class Compares(StrEnum):
    """The certificates that pins are compared with."""

    PATH = "path"
    LEAF = "leaf"


class Expiry(StrEnum):
    """Whether an entry of the form can expire."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class ExpiryRule(StrEnum):
    """The instant at which a date ends an entry."""

    UTC_START = "utc_start"
    UTC_END = "utc_end"
    DEVICE_START = "device_start"


class Reports(StrEnum):
    """When clients report."""

    ALWAYS = "always"
    WHEN_MONITORING = "when_monitoring"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class FormTraits:
    """One form: what a file of it can say, and what the library does with it."""

    title: str
    scopes: frozenset[Scope]
    modes: frozenset[PinMode] = frozenset({PinMode.ENFORCE})
    expiry: Expiry = Expiry.NONE
    expiry_rule: ExpiryRule | None = None
    overlap: Overlap = Overlap.MOST_SPECIFIC
    compares: Compares = Compares.PATH
    reports: Reports = Reports.NEVER
    fewest_enforced: int = 0
    """Distinct pins that an enforcing entry needs; with fewer, the library or the build refuses the file."""
    fewest: int = 0
    """The same in every other mode."""
    leaf_and_ca_lists: bool = False
    report_uris: bool = False
    """Whether an entry names where reports go."""
    one_set_of_report_uris: bool = False
    one_mode: bool = False
    repeats_names: bool = False
    """Whether entries of one name are told apart by their scope."""
    kind: PinKind = PinKind.SPKI
    reads: bool = True
    writes: bool = True


_ENTRY = frozenset({Scope.EXACT, Scope.NAME_AND_BELOW})
_EXACT = frozenset({Scope.EXACT})

FORMS: Mapping[Form, FormTraits] = {
    # The exact name, else the longest parent with subdomains; nothing is merged. No fewest: an empty set is accepted
    # and pins nothing. A date ends the pins at midnight of the device's zone, without a report.
    Form.NSC: FormTraits(
        "Android Network Security Config",
        _ENTRY,
        modes=frozenset({PinMode.ENFORCE, PinMode.EXCLUDE}),
        expiry=Expiry.OPTIONAL,
        expiry_rule=ExpiryRule.DEVICE_START,
    ),
    # An enforcing entry needs two pins. From API level 24 on the system checks the same entries, whatever their mode.
    Form.TRUSTKIT_ANDROID: FormTraits(
        "TrustKit for Android, in its Network Security Config",
        _ENTRY,
        modes=frozenset({PinMode.ENFORCE, PinMode.MONITOR}),
        expiry=Expiry.OPTIONAL,
        expiry_rule=ExpiryRule.DEVICE_START,
        reports=Reports.ALWAYS,
        report_uris=True,
        fewest_enforced=2,
        fewest=1,
    ),
    # A wrong configuration crashes the app at its start, so fewer pins are an error. A date ends the pins at midnight
    # UTC.
    Form.TRUSTKIT_PLIST: FormTraits(
        "TrustKit for Apple, property list",
        _ENTRY,
        modes=frozenset(PinMode),
        expiry=Expiry.OPTIONAL,
        expiry_rule=ExpiryRule.UTC_START,
        reports=Reports.ALWAYS,
        report_uris=True,
        fewest_enforced=2,
        fewest=1,
    ),
    Form.TRUSTKIT_SWIFT: FormTraits(
        "TrustKit for Apple, in Swift",
        _ENTRY,
        modes=frozenset(PinMode),
        expiry=Expiry.OPTIONAL,
        expiry_rule=ExpiryRule.UTC_START,
        reports=Reports.ALWAYS,
        report_uris=True,
        fewest_enforced=2,
        fewest=1,
        reads=False,
    ),
    # NSIncludesSubdomains reaches one label, and the entries of name and parent add up. No length is checked: a wrong
    # hash is a pin that never matches.
    Form.ATS: FormTraits(
        "Apple NSPinnedDomains",
        frozenset({Scope.EXACT, Scope.NAME_AND_ONE_LABEL}),
        overlap=Overlap.UNITED,
        leaf_and_ca_lists=True,
    ),
    # All patterns that cover a host add up: `*.` is one label, `**.` any depth and the name itself.
    Form.OKHTTP: FormTraits(
        "OkHttp and Ktor Darwin CertificatePinner, in source text",
        frozenset({Scope.EXACT, Scope.ONE_LABEL, Scope.NAME_AND_BELOW}),
        overlap=Overlap.UNITED,
        repeats_names=True,
        fewest=1,
        fewest_enforced=1,
    ),
    # Only audit mode reports: an enforced host fails in the check of the system first, and nothing is sent.
    Form.SSL_MANAGER: FormTraits(
        "react-native-ssl-manager, ssl_config.json",
        _ENTRY,
        modes=frozenset({PinMode.ENFORCE, PinMode.MONITOR}),
        expiry=Expiry.OPTIONAL,
        expiry_rule=ExpiryRule.UTC_END,
        overlap=Overlap.FIRST_MATCH,
        reports=Reports.WHEN_MONITORING,
        report_uris=True,
        one_set_of_report_uris=True,
        fewest=1,
        fewest_enforced=1,
    ),
    # Two pins because of iOS, where TrustKit reads them; Android needs one.
    Form.RN_SPKI: FormTraits(
        "react-native-ssl-public-key-pinning, in source text",
        _ENTRY,
        expiry=Expiry.OPTIONAL,
        expiry_rule=ExpiryRule.UTC_START,
        fewest=2,
        fewest_enforced=2,
    ),
    # The default address of TrustKit's vendor is left on, so reports go there and not to the operator.
    Form.EXPO_SECURITY: FormTraits(
        "react-native-app-security, in app.json",
        _ENTRY,
        reports=Reports.ALWAYS,
        fewest=2,
        fewest_enforced=2,
        writes=False,
    ),
    Form.EXPENSIFY: FormTraits(
        "pins.json of one source for all platforms",
        _EXACT,
        modes=frozenset({PinMode.ENFORCE, PinMode.MONITOR}),
        one_mode=True,
        fewest=1,
        fewest_enforced=1,
    ),
    # Its interface asks for a date, and has nowhere to put a report-uri.
    Form.CRONET: FormTraits(
        "Cronet, in source text",
        _ENTRY,
        expiry=Expiry.REQUIRED,
        expiry_rule=ExpiryRule.UTC_START,
        fewest=1,
        fewest_enforced=1,
        reads=False,
    ),
    # The leaf alone is compared, apart from the validation of the path.
    Form.CURL: FormTraits(
        "curl --pinnedpubkey",
        _EXACT,
        compares=Compares.LEAF,
        fewest=1,
        fewest_enforced=1,
    ),
    # A form apart, because Electron spells them like the pins of OkHttp: read as those, they would match no key.
    Form.CERTIFICATE_HASHES: FormTraits(
        "Hashes of certificates (Wultra, Electron, Flutter)",
        _EXACT,
        expiry=Expiry.OPTIONAL,
        expiry_rule=ExpiryRule.UTC_START,
        compares=Compares.LEAF,
        kind=PinKind.CERTIFICATE,
        writes=False,
    ),
}
