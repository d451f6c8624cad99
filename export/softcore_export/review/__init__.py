"""Review: a page on which a person confirms or vetoes suspects."""
