"""The senders, one record each, with the sources that each statement was read in.

Data. docs/senders.md is a table of these records, and a test holds the two together. What is not known is said to be
unknown: the judgement then decides by the certificates alone.
"""

from dataclasses import replace

from app.hpkp.policy import Mode
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.hpkp.user_agents.model import Compared, LocalRoots, Proof, ReportedPath, UserAgentModel

TRUSTED_AND_FAILED = Proof(path_trusted=True, pins_failed=True)
UNTRUSTED = Proof(path_trusted=False, pins_failed=None)

_TRUSTKIT_RESULTS: dict[SenderResult | None, Proof] = {
    SenderResult.PINS_NOT_MATCHED: TRUSTED_AND_FAILED,
    SenderResult.CHAIN_NOT_TRUSTED: UNTRUSTED,
    SenderResult.OTHER: Proof(),
    None: Proof(),
}

_MODELS = (
    UserAgentModel(
        sender=Sender.CHROMIUM,
        title="Chromium 46 to 71",
        validates="path, host name and dates, before the pins",
        compares=Compared.PATH,
        reported_path=ReportedPath.VALIDATED,
        local_roots=LocalRoots.BYPASS,
        results={None: Proof(path_trusted=True, pins_failed=True, shipped_root=True)},
        reports="when no known pin is on the validated path, at once, the same report once in 60 minutes",
        never_reports=(
            "for a root that the user installed; for a connection with a certificate error; to the same host over HTTPS"
        ),
        pins_in_app=False,
        sources=(
            "net/http/transport_security_state.cc of Chromium 62.0.3195",
            "reports of Chromium 69 to 72 observed on 2026-11-23",
        ),
    ),
    UserAgentModel(
        sender=Sender.TRUSTKIT_APPLE,
        title="TrustKit for Apple systems",
        validates="path, host name and dates, by the system, before the pins",
        compares=Compared.PATH,
        reported_path=ReportedPath.VALIDATED,
        local_roots=LocalRoots.PINNED,
        results=_TRUSTKIT_RESULTS,
        reports="on any failure, uploaded when the system likes, the same failure once in 24 hours",
        never_reports="on macOS for a root that the user installed, by default",
        pins_in_app=True,
        sources=(
            "datatheorem/TrustKit@c48790f TrustKit/TSKPinningValidator.m, Pinning/ssl_pin_verifier.m",
            "datatheorem/TrustKit@c48790f TrustKit/public/TSKTrustDecision.h",
        ),
    ),
    UserAgentModel(
        sender=Sender.TRUSTKIT_ANDROID,
        title="TrustKit for Android",
        validates="path, host name and dates, by the system, before the pins",
        compares=Compared.PATH,
        reported_path=ReportedPath.SERVED_OR_VALIDATED,
        local_roots=LocalRoots.PINNED,
        results=_TRUSTKIT_RESULTS,
        reports="on any failure, at once, the same failure once in 24 hours",
        never_reports="to a host that its own pins cover, from Android 7 on",
        pins_in_app=True,
        date_is_utc=False,
        sources=(
            "datatheorem/TrustKit-Android@230582d pinning/PinningTrustManager.java, reporting/BackgroundReporter.java",
        ),
        notes=("Android ignores the end of a trust anchor's validity, so a path to an expired root is a valid one.",),
    ),
    UserAgentModel(
        sender=Sender.PROTON_BRIDGE,
        title="Proton Mail Bridge",
        validates="path and host name, except on alternative routes",
        compares=Compared.SENT,
        reported_path=ReportedPath.IN_SERVED,
        local_roots=LocalRoots.PINNED,
        results={None: Proof(pins_failed=True)},
        reports="when no known pin matches, the same failure once in 24 hours",
        never_reports="nothing known",
        pins_in_app=True,
        mode=Mode.ENFORCE,
        sources=("ProtonMail/proton-bridge internal/dialer/dialer_pinning_report.go, dialer_pinning_reporter.go",),
        notes=("The noted host may be `*`: the pins hold for every host.",),
    ),
    UserAgentModel(
        sender=Sender.PROTON_VPN,
        title="ProtonVPN for Windows",
        validates="unknown",
        compares=Compared.LEAF,
        reported_path=ReportedPath.VALIDATED,
        local_roots=LocalRoots.PINNED,
        results={None: Proof(pins_failed=True)},
        reports="when no known pin matches, one report in the life of a process",
        never_reports="a second time before it is restarted",
        pins_in_app=True,
        mode=Mode.ENFORCE,
        sources=("ProtonVPN/win-app src/ProtonVPN.Api/Handlers/TlsPinning",),
    ),
    UserAgentModel(
        sender=Sender.REACT_NATIVE,
        title="react-native-ssl-manager on Android",
        validates="path and host name, by OkHttp, before the pins",
        compares=Compared.PATH,
        reported_path=ReportedPath.PINS_ONLY,
        local_roots=LocalRoots.PINNED,
        results={None: TRUSTED_AND_FAILED},
        reports="in audit mode, when no known pin is on the cleaned path, once in a session",
        never_reports="usually when it enforces on Android 7 or later: the system refuses first",
        pins_in_app=True,
        sources=(
            "huytdps13400/react-native-ssl-manager android/…/PinningFailureReporter.kt",
            "square/okhttp@1682d9b CertificatePinner.kt, tls/BasicCertificateChainCleaner.kt",
        ),
    ),
    UserAgentModel(
        sender=Sender.GO_HPKP,
        title="tam7t/hpkp for Go",
        validates="path and host name, unless the program turns that off",
        compares=Compared.SENT,
        reported_path=ReportedPath.VALIDATED,
        local_roots=LocalRoots.PINNED,
        results={None: Proof(pins_failed=True)},
        reports="when no known pin is among the certificates sent, each time",
        never_reports="nothing known",
        pins_in_app=None,
        mode=Mode.ENFORCE,
        sources=("tam7t/hpkp dialer.go, report.go",),
        notes=("It always refuses the connection; it has no report-only mode.",),
    ),
    UserAgentModel(
        sender=Sender.REPORTING_API,
        title="Reporting API",
        validates="as RFC 7469 section 2.6 asks; no client is known",
        compares=Compared.PATH,
        reported_path=ReportedPath.VALIDATED,
        local_roots=LocalRoots.UNKNOWN,
        results={None: Proof()},
        reports="unknown",
        never_reports="unknown",
        pins_in_app=None,
        sources=("W3C Reporting, working draft of 2016-04-07",),
    ),
    UserAgentModel(
        sender=Sender.RFC7469,
        title="any other form of RFC 7469",
        validates="as RFC 7469 section 2.6 asks, if it does",
        compares=Compared.PATH,
        reported_path=ReportedPath.VALIDATED,
        local_roots=LocalRoots.UNKNOWN,
        results={None: Proof()},
        reports="unknown",
        never_reports="unknown",
        pins_in_app=None,
        sources=("RFC 7469 sections 2.6 and 3",),
    ),
)

MODELS: dict[Sender, UserAgentModel] = {model.sender: model for model in _MODELS}


def model_of(report: ViolationReport) -> UserAgentModel:
    """Return the record of the sender that a report claims to come from."""
    return MODELS[report.sender]


def mode_of(sender: Sender, stated: Mode | None) -> Mode | None:
    """Return the mode of a client: the one that its report states, else the only one of its kind; None if unknown."""
    return stated or MODELS[sender].mode


def proof_of(report: ViolationReport) -> Proof:
    """Return what the report proves if it is honest; a form that contradicts its sender proves nothing."""
    if report.contradictions:
        return Proof()
    proof = model_of(report).proof(report.sender_result)
    if report.sender is Sender.GO_HPKP and report.validated_chain:
        return replace(proof, path_trusted=True)  # crypto/tls fills VerifiedChains only if it verified the chain
    return proof
