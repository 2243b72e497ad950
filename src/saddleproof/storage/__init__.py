"""What a run leaves on the disk: private files, states as bytes, and who may write them."""
