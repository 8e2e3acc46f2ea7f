"""Public key pinning as RFC 7469 describes it, as pure functions on frozen values.

No IO, no clock, no framework: the time, the trust anchors and the pinning policy are arguments. Nothing in
here imports another part of the package.
"""
