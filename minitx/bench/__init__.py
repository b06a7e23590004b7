"""How fast this machine is, against its own limit and against nanoGPT and transformers."""
