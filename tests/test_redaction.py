"""Credentials in the addresses that SQLAlchemy, web clients and git take, alone and within messages."""

import mlflow
import pytest
from sqlalchemy.engine import make_url

from conftest import Command
from lrstudy.errors import ReportError
from lrstudy.redaction import describe_ambiguity, first_line, redact_credentials
from lrstudy.report.load_runs import load_runs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@host:5000/x", "http://host:5000/x"),
        ("postgresql+psycopg2://user:p@ss/w@host/db", "postgresql+psycopg2://host/db"),
        ("postgresql://user:p?s#w@host:5432/db?sslmode=require", "postgresql://host:5432/db?sslmode=require"),
        ("mysql+pymysql://user:my pass@host/db", "mysql+pymysql://host/db"),
        ("https://user:p:a@ss@host:5000", "https://host:5000"),
        ("https://first.last:12/3@host:5000", "https://host:5000"),
        ("https://user:p%40ss%2Fw@host/", "https://host/"),
        ("https://token@host/org/repository.git", "https://host/org/repository.git"),
        ("https://aB/c+@host/org/repository.git", "https://host/org/repository.git"),
        ("git+ssh://git@host/org/repository.git", "git+ssh://host/org/repository.git"),
        ("https://user:secret@[2001:db8::1]:5000/x", "https://[2001:db8::1]:5000/x"),
        ("redis://:secret@host:1", "redis://host:1"),
        ("mssql+pyodbc://host/db?driver=x&Password=secret&y=1", "mssql+pyodbc://host/db?driver=x&Password=***&y=1"),
        ("https://host/file?X-Amz-Signature=secret&part=2", "https://host/file?X-Amz-Signature=***&part=2"),
        ("https://host/?access_token=secret#top", "https://host/?access_token=***#top"),
        ("host=h user=u password=secret dbname=d", "host=h user=u password=*** dbname=d"),
        (
            "(Background on http://sqlalche.me/e/) no server at mysql://u:p@ss/w@host/db, ask me@here",
            "(Background on http://sqlalche.me/e/) no server at mysql://host/db, ask me@here",
        ),
        ("API request to https://u:p/w@host:50/api failed", "API request to https://host:50/api failed"),
        ("from http://u:a@one to http://u:b@two", "from http://one to http://two"),
    ],
)
def test_no_part_of_a_user_name_or_password_is_shown(text: str, shown: str) -> None:
    assert redact_credentials(text) == shown
    assert first_line(ValueError(f"{text}\nmore")) == shown


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///a@b.db",
        "sqlite:////home/me@work/mlflow.db",
        "http://[::1]:5000/api",
        "git@github.com:org/repository.git",
        "https://github.com/org/repository@v1",
        "http://127.0.0.1:5000/api cannot be used; ask me@here",
        "http://host:5000: ask me@here",
        "lr=0.1, sigma=0.2, tokens=12, key=abc",
        "s3://bucket/a/b",
    ],
)
def test_addresses_without_credentials_stay_as_they_are(text: str) -> None:
    assert redact_credentials(text) == text


@pytest.mark.parametrize(
    ("address", "ambiguous"),
    [
        ("postgresql://user:p@ss@host/db", True),
        ("postgresql://user:p%40ss@host/db", False),
        ("postgresql://user:p/w@host/db", False),
        ("https://user:p@ss@host", False),
        ("https://user:p/w@host", True),
        ("https://user:12?3@host", True),
        ("https://user:p#w@host", True),
        ("https://host.org/team@home", False),
        ("sqlite:///a@b@c.db", False),
    ],
)
def test_passwords_that_a_library_would_cut_off_are_found(address: str, ambiguous: bool) -> None:
    assert (describe_ambiguity(address) is not None) is ambiguous
    if address.startswith("postgresql"):
        assert (make_url(address).host != "host") is ambiguous, "the reason"


def test_a_training_with_such_an_address_is_rejected_without_showing_a_part_of_it(train: Command) -> None:
    ended = train("--epochs", "1", MLFLOW_TRACKING_URI="postgresql+psycopg2://user:p@ss/w@host/db")
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: the tracking server cannot be used: the user name or password in the address "
        "postgresql+psycopg2://host/db has an unescaped '@', '/', '?' or '#'; write it as %40, %2F, %3F or %23.\n"
    )


def test_the_report_names_a_database_that_does_not_answer_at_once_and_without_its_password() -> None:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri("postgresql+psycopg2://user:p/w@127.0.0.1:1/db")
    try:
        with pytest.raises(ReportError, match=r"^the tracking server postgresql\+psycopg2://127.0.0.1:1/db cannot"):
            load_runs()
    finally:
        mlflow.set_tracking_uri(before)
