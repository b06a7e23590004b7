"""The end of a lesson: what the learner solved, and what comes next."""

from minitx.classroom import lessons
from minitx.classroom.answers import recall, remember
from minitx.classroom.learner import collected, tell
from minitx.classroom.questions import quiz_of


def finish(lesson: str) -> None:
    """Mark a lesson as done, say how many exercises and questions were right, and name the next."""
    if collected("end", lesson=lesson):
        return
    remember(lesson, {"done": True})
    answers = recall(lesson)
    exercises = lessons.exercise_ids(lesson)
    solved = sum(answers.get(id) is True for id in exercises)
    print()
    questions = quiz_of(lesson)
    right = sum(answers.get(id) is True for id in questions)
    tell(
        f"{lesson} is done. Exercises solved: {solved} of {len(exercises)}. "
        f"Questions right: {right} of {len(questions)}."
    )
    if solved < len(exercises):
        tell(f"An exercise can be tried again: minitx lesson {int(lesson[1:])} --again")
    tell(f"Next: {lessons.next_command()}")
