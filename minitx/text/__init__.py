"""Text to tokens: tokenizers, corpora, and generators whose true distribution is known."""
