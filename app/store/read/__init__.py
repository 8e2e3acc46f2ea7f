"""The read side of the store: functions that take a connection and return frozen values."""
