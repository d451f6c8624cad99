"""Resolution: measures on the training images and on this machine which input size of the network pays."""
