"""Update: the cost of adding images to a bundle."""
