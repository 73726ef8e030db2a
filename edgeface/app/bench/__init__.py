"""`edgeface bench`: what this machine takes for a frame, a start, a match and an idle door. Nothing here judges by
time: numbers are reported beside their targets, and whoever reads them decides."""
