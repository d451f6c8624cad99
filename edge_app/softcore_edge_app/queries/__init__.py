"""Queries: what is read out of a ledger: parts, figures, statistics, exports."""
