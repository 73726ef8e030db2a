"""`edgeface doctor`: is this door fit to be left alone? Every check gives a plain result and what to do."""
