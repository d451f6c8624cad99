"""Learning: what looks at suspects and taught defects gain."""
