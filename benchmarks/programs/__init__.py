"""The programs that the connector is compared with. Each reads the same job and runs as a separate process."""
