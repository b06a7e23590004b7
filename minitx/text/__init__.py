"""Text to tokens: tokenisers, corpora, and generators whose true distribution is known."""
