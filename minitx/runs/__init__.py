"""What lies on disk: files, checkpoints, the folder of a run, and the models that lessons share."""
