"""Serve the contract over gRPC: validate, call a use case, convert."""
