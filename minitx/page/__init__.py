"""One HTML file in which a trained model computes: no server, no network, no installation.

`writer.py` puts it together from what `contents.py` takes out of each model and from the files in
`source/`. There, `layers.js` and `model.js` are the forward pass, `tokenizers.js` and `measure.js`
what they say, and everything below `panels/` is one thing to try.
"""
