"""Configuration files: TOML to members of the families, and to a run that is ready to begin."""
