"""Other people's models in our `Transformer`: fetched, read, translated, with their tokenizers."""
