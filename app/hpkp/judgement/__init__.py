"""Why a reported connection failed Pin Validation, who has to act, and whom enforcing would lock out."""
