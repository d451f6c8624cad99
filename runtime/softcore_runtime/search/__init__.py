"""Search: the nearest entries of the memory bank, certified."""
