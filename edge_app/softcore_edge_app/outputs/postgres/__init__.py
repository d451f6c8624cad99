"""PostgreSQL: the ledger's decisions in a table of a database."""
