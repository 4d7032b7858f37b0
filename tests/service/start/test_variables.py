"""Variables of other programs, and of ours those that nobody reads."""

from pathlib import Path

import psycopg
import pytest

from service.settings import Settings
from service.start import variables

NOWHERE = Path("/nowhere/.env")


@pytest.mark.parametrize(
    "name",
    [
        *("MPLBACKEND", "CELERY_BROKER_URL", "CELERY_CONFIG_MODULE", "BROKER_URL", "KOMBU_LOG_DEBUG", "REMAP_SIGTERM"),
        *("FORWARDED_ALLOW_IPS", "PGHOSTADDR", "PGOPTIONS", "PGCLIENTENCODING", "PSYCOPG_IMPL", "PGSERVICE"),
        *("OMP_NUM_THREADS", "GOMP_CPU_AFFINITY", "MKL_CBWR", "TENFOLD_PORT_80_TCP_ADDR", "TENFOLD_SERVICE_PORT_HTTP"),
    ],
)
def test_what_would_break_or_alter_us_is_left_out(name: str) -> None:
    environment = {name: "1"}
    variables.leave_out(environment)
    assert name not in environment


def test_what_is_heeded_on_purpose_stays() -> None:
    names = [
        *("PATH", "HOME", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "MPLCONFIGDIR"),
        *("HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "PGPASSWORD", "PGPASSFILE", "PGSSLMODE", "PGSSLROOTCERT"),
        *(f"TENFOLD_{name.upper()}" for name in Settings.model_fields),
    ]
    heeded = dict.fromkeys(names, "1")
    environment = dict(heeded)
    variables.leave_out(environment)
    assert environment == {**heeded, "OPENBLAS_NUM_THREADS": "1"}


def test_a_cluster_s_word_for_where_a_service_is_is_no_port() -> None:
    environment = {"TENFOLD_PORT": "tcp://10.96.0.1:8000", "TENFOLD_API_PORT": "tcp://10.96.0.1:8000"}
    variables.leave_out(environment)
    assert "TENFOLD_PORT" not in environment
    assert list(variables.misspelt(environment, NOWHERE)) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TENFOLD_PROT", "TENFOLD_PORT"),
        ("TENFOLD_WORKER", "TENFOLD_WORKERS"),
        ("TENFOLD_HOSTS", "TENFOLD_HOST"),
        ("TENFOLD_ALLOWED_HOST", "TENFOLD_ALLOWED_HOSTS"),
        ("TENFLOD_PORT", "TENFOLD_PORT"),
        ("tenfold_databse_url", "TENFOLD_DATABASE_URL"),
        ("TENFOLD-PORT", "TENFOLD_PORT"),
    ],
)
def test_a_misspelt_name_is_told_with_the_nearest_right_one(name: str, meant: str) -> None:
    (told,) = variables.misspelt({name: "1"}, NOWHERE)
    assert told == f"{name} is no setting and is ignored; did you mean {meant}?"


def test_a_name_that_is_like_none_is_told_without_a_guess() -> None:
    assert list(variables.misspelt({"TENFOLD_XYZ": "1"}, NOWHERE)) == ["TENFOLD_XYZ is no setting and is ignored"]


def test_postgresql_is_asked_where_its_url_says_and_answers_as_ever(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOSTADDR": "192.0.2.1",
        "PGSERVICE": "of somebody else",
        "PGOPTIONS": "-c default_transaction_read_only=on",
        "PGCLIENTENCODING": "SQL_ASCII",
    }.items():
        monkeypatch.setenv(name, value)
    variables.leave_out()
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("off",)


def test_right_names_and_those_of_others_are_not_told() -> None:
    environment = {
        "TENFOLD_PORT": "1",
        "tenfold_port": "1",
        "PORT": "1",
        "PYTHONPATH": "x",
        "TENFOLDER": "1",
        "HOST": "x",
    }
    assert list(variables.misspelt(environment, NOWHERE)) == []


def test_misspelt_names_of_a_composition_are_told_too(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(
        b"# TENFOLD_PROT=1\nexport TENFOLD_WROKERS = 2\r\nTENFOLD_PORT=3\nPOSTGRES_PASSWORD=\xff\nTENFOLD\n"
    )
    told = list(variables.misspelt({}, file))
    assert told == [f"{file}: TENFOLD_WROKERS is no setting and is ignored; did you mean TENFOLD_WORKERS?"]
    assert list(variables.misspelt({}, tmp_path)) == []
