from training.words import count_words


def test_one_thing_stands_in_the_singular() -> None:
    assert count_words(1, "problem") == "1 problem"
    assert count_words(0, "problem") == "0 problems"
    assert count_words(2485, "photo") == "2,485 photos"
    assert count_words(2, "class", "classes") == "2 classes"
