"""The end of a lesson: what the learner solved, and what comes next."""

from minitx.classroom import lessons, own_claims
from minitx.classroom.answers import recall, remember
from minitx.classroom.learner import collected, tell
from minitx.classroom.questions import quiz_of
from minitx.evidence.claims import known_claims

INVITATION = (
    "The {claims} claims of these lessons are other people's. What do you believe about models "
    "that nobody has tested yet?"
)


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
        if lesson == own_claims.LESSON:
            _invite()
        return
    tell(f"Next: {lessons.title(following)} (minitx lesson {int(following[1:])})")
    tell(lessons.question_of(following), "  ")


def _invite() -> None:
    """Ask for a claim of the learner's own, and say how to begin one."""
    print()
    tell(INVITATION.format(claims=len(known_claims())))
    print('  minitx claim new "A sentence that can turn out false."')
