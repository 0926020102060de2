"""The programs that are measured beside the connector. Each reads the same job and runs as a process of its own."""
