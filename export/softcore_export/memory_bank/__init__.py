"""Memory bank: outlier factors, coreset, index and hints."""
