"""Put the server together and run it: configuration, wiring, signals, commands."""
