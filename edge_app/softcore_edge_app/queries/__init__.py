"""Queries: what is read out of a ledger: excerpts, figures, exports, labels."""
