"""X.509: certificates as they were sent, their keys and pins, and the paths that signatures make of them."""
