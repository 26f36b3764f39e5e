"""What is printed is what was said: no markup, no emoji codes, and off a terminal no escape."""

import pytest

from winnower.console import errors, output


def test_markup_and_emoji_codes_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    output().print("[red]a[/] :smile: [link=x]")
    errors().print("[red]b[/] :smile:")
    assert capsys.readouterr() == ("[red]a[/] :smile: [link=x]\n", "[red]b[/] :smile:\n")


def test_off_a_terminal_lines_may_be_longer_than_a_screen() -> None:
    assert output().width >= 100
