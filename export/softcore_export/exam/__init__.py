"""Exam: judges a new bundle by the parts that a person has marked, beside the bundle that it replaces."""
