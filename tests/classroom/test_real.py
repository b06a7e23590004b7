"""The real model that lessons end with."""

from minitx.classroom import real_model


def test_a_real_model_that_was_not_pulled_costs_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINITX_CACHE", str(tmp_path))
    assert real_model() is None
    assert capsys.readouterr().out.count("\n") == 1
