"""Charts: the figures that the page draws, and the charts of a report."""
