"""What operators and the service itself do with the store: decisions, above its SQL and below every surface."""
