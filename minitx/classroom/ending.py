"""The end of a lesson: what the learner solved, and what comes next."""

from minitx.classroom import lessons
from minitx.classroom.answers import recall, remember
from minitx.classroom.learner import collected, tell
from minitx.classroom.questions import quiz_of


def finish(lesson: str) -> None:
    """Mark a lesson as done, say which exercises and questions are open, and what comes next.

    What was learned stands above it in the lesson itself, under "In short".
    """
    if collected("end", lesson=lesson):
        return
    remember(lesson, {"done": True})
    answers = recall(lesson)
    exercises = lessons.exercise_ids(lesson)
    questions = list(quiz_of(lesson))
    right = [id for id in (*exercises, *questions) if answers.get(id) is True]
    solved = sum(id in right for id in exercises)
    print()
    tell(
        f"{lesson} is done. Exercises solved: {solved} of {len(exercises)}. "
        f"Questions right: {len(right) - solved} of {len(questions)}."
    )
    still_open = [id for id in (*exercises, *questions) if id not in right]
    if still_open:
        number = int(lesson[1:])
        tell(f"Open: {', '.join(still_open)}. To try them again: minitx lesson {number} --again")
    following = lessons.after(lesson)
    if following is None:
        tell(f"Next: {lessons.next_command()}")
        return
    tell(f"Next: {lessons.title(following)} (minitx lesson {int(following[1:])})")
    tell(lessons.question_of(following), "  ")
