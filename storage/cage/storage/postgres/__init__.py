"""Keep the books in PostgreSQL: several lanes, written by any number of processes."""
