"""Servers that the service is compared with; each is started in a process of its own."""
