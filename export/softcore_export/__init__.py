"""SoftCore export: from a folder of pictures to a bundle."""
