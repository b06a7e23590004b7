"""What a person sees while tokens are generated."""

from minitx.cli import terminal
from minitx.text import tokenizer


def test_streaming_shows_whole_characters_only(capsys):
    words = "naïve café, 猫 and 🐈!"
    bpe = tokenizer.train("bpe", "plain words only", 256)
    ids = bpe.encode(words)
    for cut in range(1, len(ids)):
        stream = terminal.Stream(bpe, ids[:cut])
        for id in ids[cut:]:
            stream.add([id])
            assert "\ufffd" not in (shown := capsys.readouterr().out) or not shown
        stream = terminal.Stream(bpe, ids[:cut])
        stream.add(ids[cut:])
        assert capsys.readouterr().out == words
    stream = terminal.Stream(bpe, ids[:1])
    for id in ids[1:]:
        stream.add([id])
    assert capsys.readouterr().out == words
    listed = tokenizer.Vocabulary.of(["king", "queen"])
    stream = terminal.Stream(listed, [0])
    stream.add([1])
    stream.add([0, 0])
    assert capsys.readouterr().out == "king queen king king"
