"""Shadow: bundles on trial, which inspect what a line has decided on, and decide nothing."""
