"""What each kind of client validates, compares and reports."""
