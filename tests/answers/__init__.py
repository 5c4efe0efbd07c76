"""Answers to the exercises, right and wrong: `lesson_NN.py` has those of one lesson.

RIGHT and WRONG map "exercise.part" to answers; with each wrong one stands a piece of the sentence
that the learner is due. An answer is for NumPy arrays, or wrapped in `pytorch` or `keras`.
"""

from functools import partial

from course_utils.checks.judging import Answer

pytorch = partial(Answer, track="pytorch")
keras = partial(Answer, track="keras")


def as_answer(given):
    return given if isinstance(given, Answer) else Answer(given)
