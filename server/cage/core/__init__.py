"""Decide what happens to money and players: values in, decisions out.

Nothing here does I/O, reads a clock, draws a random number or knows SQL or
protobuf; all of that is passed in.
"""
