"""Names of entries, as the libraries accept them: what would crash the app is refused, what never matches is found."""

from app.hpkp.app_pins.model import AppIdentity
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.findings import Finding, Severity

_LONGEST = 253


def checked_name(text: object, *, place: str) -> str:
    """Return a name as text of at most 253 characters without control characters or blanks within."""
    if not isinstance(text, str) or not text:
        raise InvalidAppConfig("a host name is needed, this is empty", place=place)
    if len(text) > _LONGEST or not text.isprintable() or " " in text:
        raise InvalidAppConfig(f"{text[:80]!r} is no host name", place=place)
    return text


def literal_identity(app: object, version: object, build: object) -> tuple[AppIdentity, tuple[Finding, ...]]:
    """Return the identity without what is a build variable such as ``$(MARKETING_VERSION)``, and say which were."""
    texts = [value if isinstance(value, str) else "" for value in (app, version, build)]
    variables = sorted({text for text in texts if "$" in text})
    identity = AppIdentity(*("" if "$" in text else text for text in texts))
    if not variables:
        return identity, ()
    return identity, (
        Finding(
            "build_variables",
            Severity.INFO,
            f"The app's identity is set by the build: {', '.join(variables)}.",
            "Give --app and --release-version, or import the Info.plist of the built app.",
        ),
    )
