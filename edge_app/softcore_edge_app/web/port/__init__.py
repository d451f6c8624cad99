"""Port: the socket of a line, its connections and its server."""
