"""HTTP: thin routes over the collector and the store. Errors become HTTP in `problems` alone."""
