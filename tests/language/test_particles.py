import pytest

from gistdesk.language.particles import filled


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("책", "책은 책이 책을 책과 책으로"),
        ("문서", "문서는 문서가 문서를 문서와 문서로"),
        ("파일", "파일은 파일이 파일을 파일과 파일로"),
        ("3", "3은 3이 3을 3과 3으로"),
        ("2", "2는 2가 2를 2와 2로"),
        ("100", "100은 100이 100을 100과 100으로"),
        ("a.pdf", "a.pdf는 a.pdf가 a.pdf를 a.pdf와 a.pdf로"),
        ("model", "model은 model이 model을 model과 model로"),
        ("本", "本은(는) 本이(가) 本을(를) 本과(와) 本(으)로"),
        ("", "은(는) 이(가) 을(를) 과(와) (으)로"),
    ],
)
def test_particles_follow_the_last_sound(value: str, expected: str) -> None:
    assert filled("{x}은(는) {x}이(가) {x}을(를) {x}과(와) {x}(으)로", {"x": value}) == expected


def test_particles_look_behind_quotes() -> None:
    assert filled("“{x}”을(를) 엽니다.", {"x": "문서"}) == "“문서”를 엽니다."


def test_a_number_is_read_as_it_is_written() -> None:
    assert filled("{n:,.1f}을(를) {n:.0f}이(가)", {"n": 1202.04}) == "1,202.0을 1202가"
