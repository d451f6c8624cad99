"""Outputs: where decisions go once they are in the ledger (broker, PLC, archive, standard output)."""
