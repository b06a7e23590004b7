"""Several devices: a share of each batch for each, and several processes that train together."""
