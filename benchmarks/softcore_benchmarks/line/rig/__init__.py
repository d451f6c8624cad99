"""Rig: cameras, a broker and a PLC around a `softcore-edge` process."""
