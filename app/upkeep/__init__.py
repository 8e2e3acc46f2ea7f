"""Supervised background jobs: what runs them, and what is known of their last runs. Knows no job by name."""
