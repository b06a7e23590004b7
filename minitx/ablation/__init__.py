"""Ablations: a grid of switches, several seeds of each cell, and a table that says what matters."""
