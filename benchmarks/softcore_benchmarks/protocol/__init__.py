"""Protocol: the paper's noise, methods, tables and figures on any data set."""
