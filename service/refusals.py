"""Every error as a problem: what is meant for the client is said, and of all else only that it is not their fault."""

from service.errors import NotYet, Problem
from service.store.engine import DatabaseError


def as_problem(error: Exception) -> Problem:
    """Give the problem to answer an error with; its status is 500 for what nobody foresaw, which belongs in the log."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, DatabaseError):
        return NotYet("the database does not answer or is busy; nothing was changed", retry_after=5)
    return Problem("something went wrong here; the log of the API says what")
