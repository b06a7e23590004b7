"""For each lesson EXERCISES: solutions, hints, and the mistakes that learners make."""
