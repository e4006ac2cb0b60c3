"""Use Cage from a shell: the command ``cagectl``, which calls through the client."""
