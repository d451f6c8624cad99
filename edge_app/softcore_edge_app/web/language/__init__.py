"""Language: what the port says in the languages of the page."""
