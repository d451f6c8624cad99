"""Ledger: every decision of a line on the disk, chained by hashes; its check, export and statistics."""
