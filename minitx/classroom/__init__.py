"""The classroom: predict, check, hint, quiz and judge; what is kept of the answers; the walk."""
