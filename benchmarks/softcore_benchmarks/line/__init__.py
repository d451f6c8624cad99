"""Line: real cameras, brokers and PLCs around a real `softcore-edge`, and what it does when they fail."""
