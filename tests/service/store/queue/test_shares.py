"""Accounts share by weight what processes there are: the bounds of fair queueing hold, whoever comes and goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.store.queue.shares import Ledger, Share

SECONDS = st.floats(0.1, 100)
WEIGHTS = st.lists(st.floats(0.25, 8), min_size=2, max_size=5)


def ledger(**weights: float) -> Ledger:
    return Ledger(Share(account, weight) for account, weight in weights.items())


def served(of: Ledger, accounts: list[str], seconds: float = 1.0) -> str:
    account = of.in_turn(accounts)[0]
    of.charge(account, seconds)
    return account


@given(WEIGHTS, st.lists(SECONDS, min_size=1, max_size=60))
def test_accounts_that_wait_all_the_time_are_never_further_apart_than_a_claim_of_each(
    weights: list[float], seconds: list[float]
) -> None:
    of = ledger(**{f"account-{place}": weight for place, weight in enumerate(weights)})
    accounts = [f"account-{place}" for place in range(len(weights))]
    had, largest = dict.fromkeys(accounts, 0.0), dict.fromkeys(accounts, 0.0)
    for its in seconds:
        account = served(of, accounts, its)
        of_weight = its / of.of(account).weight
        had[account] += of_weight
        largest[account] = max(largest[account], of_weight)
        for one in accounts:
            for other in accounts:
                assert had[one] - had[other] <= largest[one] + largest[other] + 1e-6


@given(WEIGHTS, st.lists(SECONDS, max_size=40), SECONDS)
def test_who_comes_anew_waits_for_at_most_one_claim_of_each_other(
    weights: list[float], before: list[float], its: float
) -> None:
    of = ledger(new=1.0, **{f"account-{place}": weight for place, weight in enumerate(weights)})
    others = [f"account-{place}" for place in range(len(weights))]
    for seconds in before:
        served(of, others, seconds)
    claims = [served(of, ["new", *others], its) for _ in range(len(others) + 1)]
    came = claims.index("new")
    assert len(set(claims[:came])) == came


def test_who_was_away_has_saved_nothing_up() -> None:
    of = ledger(one=1.0, other=1.0)
    for _ in range(100):
        served(of, ["one"])
    assert sorted(served(of, ["one", "other"]) for _ in range(10)) == ["one"] * 5 + ["other"] * 5


def test_a_weight_of_two_has_twice_as_much() -> None:
    of = ledger(one=1.0, two=2.0)
    claims = [served(of, ["one", "two"]) for _ in range(30)]
    assert claims.count("two") == 20


def test_a_job_that_takes_longer_than_expected_counts_with_what_it_has_taken() -> None:
    of = Ledger([Share("one", due=1.0, overrun=50.0), Share("other", due=30.0)])
    assert of.in_turn(["one", "other"]) == ["other", "one"]
    of.charge("one", 5.0)
    assert of.of("one").due == pytest.approx(6.0), "what it has taken beyond is charged when it ends"
    assert of.begins("one") == pytest.approx(56.0)


def test_of_equals_is_first_who_has_fewer_processes_and_then_who_was_served_longer_ago() -> None:
    shares = [
        Share("busy", processes=1),
        Share("b", begun=0.0),
        Share("a", begun=-1.0),
        Share("heavy", 4.0, processes=1),
    ]
    assert Ledger(shares).in_turn(["b", "busy", "a", "heavy"]) == ["a", "b", "heavy", "busy"]


def test_who_may_have_no_more_running_is_passed_over() -> None:
    of = Ledger([Share("full", room=0), Share("nearly", due=9.0, room=1)])
    assert of.in_turn(["full", "nearly", "nobody"]) == ["nobody", "nearly"]
    of.charge("nearly", 1.0)
    assert of.in_turn(["full", "nearly"]) == []
