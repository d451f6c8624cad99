"""Backbone: the network that computes features, and its ONNX file."""
