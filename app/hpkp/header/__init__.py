"""The header fields of RFC 7469: reading, checking and writing them."""
