import os
import pathlib

import pytest

import equalinfo

DATA = pathlib.Path(__file__).resolve().parents[3] / "tests" / "data"


@pytest.fixture(scope="session")
def alice():
    """152 KB of English."""
    return (DATA / "alice29.txt").read_bytes()


@pytest.fixture(scope="session")
def messages():
    """Short messages, one a line."""
    return (DATA / "short" / "sms.txt").read_bytes().splitlines()


@pytest.fixture(scope="session")
def nano():
    return equalinfo.Model("nano")


@pytest.fixture(scope="session")
def tool():
    """The command-line tool, where the environment names one."""
    if "EQUALINFO" not in os.environ:
        pytest.skip("EQUALINFO names no tool to compare with")
    return os.environ["EQUALINFO"]
