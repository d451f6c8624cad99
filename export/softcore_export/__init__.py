"""SoftCore export: from a folder of images to a bundle."""
