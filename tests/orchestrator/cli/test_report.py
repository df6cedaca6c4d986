from pathlib import Path

from click.testing import CliRunner

from orchestrator.cli.report import command
from orchestrator.errors import UserError
from tests.orchestrator.sample import write_running, write_sample


def test_it_prints_where_the_page_is(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    done = CliRunner().invoke(command, [str(paths.root)])
    assert done.stdout == f"{paths.report}\n"
    assert paths.report.stat().st_size > 1_000_000  # Plotly is inside


def test_output_goes_where_it_is_asked_to_and_leaves_nothing_else(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    target = tmp_path / "pages" / "x.html"
    target.parent.mkdir()
    assert CliRunner().invoke(command, [str(paths.root), "--output", str(target)]).exit_code == 0
    assert [path.name for path in target.parent.iterdir()] == ["x.html"]
    assert not paths.report.exists()


def test_a_folder_that_is_not_there_is_the_users_error(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    done = CliRunner().invoke(command, [str(paths.root), "--output", str(tmp_path / "no" / "x.html")])
    assert isinstance(done.exception, UserError)


def test_before_the_first_export_the_journal_is_reported(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    journal.close()
    done = CliRunner().invoke(command, [str(paths.root)])
    assert done.exception is None
    assert paths.report.exists()
