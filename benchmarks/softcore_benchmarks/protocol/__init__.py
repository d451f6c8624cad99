"""Protocol: the paper's noise, methods, tables and figures."""
