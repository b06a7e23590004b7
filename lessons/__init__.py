"""The lessons: each file is a script, a notebook, and a walk in the terminal."""
