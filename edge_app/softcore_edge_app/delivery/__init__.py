"""Delivery: delivers every decision of the ledger to each output, in order and once, whatever else fails."""
