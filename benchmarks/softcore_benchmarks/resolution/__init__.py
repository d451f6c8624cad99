"""Resolution: accuracy beside milliseconds at several input sizes, and what `--resolution auto` chooses."""
