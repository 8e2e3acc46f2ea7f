"""Pins that apps carry in their configuration, release by release. Reading and writing files is `app.app_configs`."""
