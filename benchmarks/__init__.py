"""What a sync costs, beside other ways to do the same job. One command: `make bench`. See README.md."""
