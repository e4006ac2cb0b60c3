"""Run the use cases: hand commands to their lane, answer reads from the store."""
