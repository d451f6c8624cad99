"""Bundle: the folder that ships; its files, its manifest and its threshold."""
