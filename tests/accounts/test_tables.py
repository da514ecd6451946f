"""The files that bulk commands read, and the report that they write: no database is needed."""

import csv
import hashlib
import io
import os
import resource
import sys
import tracemalloc
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from accounts.bulk import InputRow, RowOutcome
from accounts.management.report import MOST_LINES, Report
from accounts.management.tables import read_table
from accounts.models import Outcome
from accounts.tables import LINE_LENGTH, Columns, Table, as_it_was, harmless, is_formula

LOOSE = Columns(keys=("employee_id", "username"))
STRICT = Columns(keys=("employee_id",), required=("first_name",), others=("last_name", "mail"))

Make = Callable[[bytes | str], Path]


@pytest.fixture
def file(tmp_path: Path) -> Make:
    def make(content: bytes | str) -> Path:
        path = tmp_path / "people.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def said(path: Path | None, columns: Columns = LOOSE) -> str:
    """With what the file is refused, without the folder that it stands in."""
    with pytest.raises(CommandError) as refused:
        read_table(path, columns)
    return str(refused.value).replace(f"{path and path.parent}/", "")


def read(path: Path | None, columns: Columns = LOOSE) -> list[InputRow]:
    return list(read_table(path, columns).rows())


def cells(path: Path | None, columns: Columns = LOOSE) -> list[tuple[int, list[str]]]:
    return [(row.line, list(row.cells.values())) for row in read(path, columns)]


MALFORMED: dict[str, tuple[bytes | str, Columns, str]] = {
    "cp1252": ("employee_id,first_name\nE-1,Jürgen\n".encode("cp1252"), STRICT,
               "people.csv, line 2: not UTF-8. Save the file as CSV UTF-8."),
    "utf-16": ("employee_id\nE-1\n".encode("utf-16"), LOOSE,
               "people.csv, line 1: not UTF-8. Save the file as CSV UTF-8."),
    "utf-16 without its mark": ("employee_id\nE-1\n".encode("utf-16-le"), LOOSE,
                                "people.csv, line 1: a NUL character. Save the file as CSV UTF-8."),
    "NUL": ("employee_id\nE-1\nE\0-2\n", LOOSE, "people.csv, line 3: a NUL character. Save the file as CSV UTF-8."),
    "no key": ("name;mail\nAda;a@example.com\n", LOOSE,
               "people.csv needs a column employee_id or username. Its header has: name, mail."),
    "missing column": ("employee_id,mail\nE-1,a@example.com\n", STRICT,
                       "people.csv needs a column first_name. Its header has: employee_id, mail."),
    "unknown column": ("employee_id,first_name,salary\nE-1,Ada,1\n", STRICT,
                       ("people.csv has a column salary, which means nothing here. "
                       "Known columns: employee_id, first_name, last_name, mail.")),
    "column without a name": ("employee_id,first_name,\nE-1,Ada,\n", STRICT,
                              ("people.csv has a column (blank), which means nothing here. "
                              "Known columns: employee_id, first_name, last_name, mail.")),
    "column twice": ("employee_id, employee_id \nE-1,E-2\n", LOOSE, "people.csv has the column employee_id twice."),
    "empty": (b"", LOOSE, "people.csv is empty."),
    "byte order mark only": (b"\xef\xbb\xbf", LOOSE, "people.csv is empty."),
    "blank lines only": ("\n\r\n , \n\n", LOOSE, "people.csv is empty."),
    "a great many blank lines only": ("\n" * (LINE_LENGTH + 2), LOOSE, "people.csv is empty."),
    "header only": ("employee_id\n\n", LOOSE, "people.csv has no rows."),
    "a line of 10 MB": ("employee_id\nE-1\n" + "x" * 10_000_000 + "\n", LOOSE,
                        "people.csv, line 3: longer than 100,000 bytes."),
    "a first line of 10 MB": ("x" * 10_000_000, LOOSE, "people.csv, line 1: longer than 100,000 bytes."),
    "10 MB in one row of many lines": ('employee_id,first_name\nE-1,"' + 'x\n","' * 2_000_000, LOOSE,
                                       ("people.csv, line 2: a row of more than 100,000 characters begins here. "
                                       "Is a double quote not closed?")),
    "quote not closed": ('employee_id,first_name\nE-1,Ada\nE-2,"Grace\nE-3,Edith\n', STRICT,
                         "people.csv, line 3: a double quote is opened here and not closed."),
    "quote not closed in a long file": ('employee_id\nE-1\n"E-2\n' + "E-3\n" * 100_000, LOOSE,
                                        ("people.csv, line 3: a row of more than 100,000 characters begins here. "
                                        "Is a double quote not closed?")),
    "quote within a value": ('employee_id\n"E-1" of ours\n', LOOSE,
                             ("people.csv, line 2: text after a closing double quote. "
                             "Write a double quote within a value twice.")),
    "line ends of a carriage return": ("employee_id\rE-1\r", LOOSE,
                                       "people.csv, line 1: a line end that is none. Save the file as CSV UTF-8."),
    "too many values": ("employee_id,first_name\nE-1,Ada,Byron\n", STRICT,
                        ("people.csv, line 2: 3 values under 2 columns. "
                        "Put values that contain a comma in double quotes.")),
    "too few values": ("employee_id,first_name,mail\nE-1,Ada,\nE-2,Grace\n", STRICT,
                       ("people.csv, line 3: 2 values under 3 columns. "
                       "Put values that contain a comma in double quotes.")),
}  # fmt: skip


@pytest.mark.parametrize(("content", "columns", "message"), MALFORMED.values(), ids=list(MALFORMED))
def test_a_malformed_file_is_refused_in_one_line(
    file: Make, content: bytes | str, columns: Columns, message: str
) -> None:
    assert said(file(content), columns) == message


@pytest.mark.parametrize("position", [0, 1, 2, 3])
@pytest.mark.parametrize("formula", ["=1+1", "@SUM(A1:A9)", "+cmd|' /C calc'!A0", "-2+3", '  =HYPERLINK("x")'])
def test_a_formula_is_refused_wherever_it_stands(file: Make, position: int, formula: str) -> None:
    names = ("employee_id", "first_name", "last_name", "mail")
    values = ["E-2", "Grace", "Hopper", "g@example.com"]
    values[position] = formula
    quoted = ",".join('"' + value.replace('"', '""') + '"' for value in values)
    path = file(f"{','.join(names)}\nE-1,Ada,Byron,\n{quoted}\n")
    assert said(path, STRICT) == (
        f"people.csv, line 3: {names[position]} begins with {formula.strip()[0]}, as a formula does. Write its value."
    )


def test_a_formula_in_a_column_that_is_passed_over_does_no_harm(file: Make) -> None:
    path = file("employee_id,note\nE-1,=1+1\n")
    assert cells(path) == [(2, ["E-1"])]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        *[(text, True) for text in ("=", "=1", "@x", "+x", "-x", "-2+3", "--1", "+1-1", "-1.2.3", " =1", "\t=1", "-²")],
        *[(text, False) for text in ("-5", "+5.5", "-5,5", "-.5", "+5.", "-", "+", "", " ", "5", "a=1", "a-b", "E-1")],
    ],
)
def test_a_formula_is_told_from_a_number(text: str, answer: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_formula(text) is answer


def test_numbers_with_a_sign_are_taken(file: Make) -> None:
    assert cells(file("employee_id\n-5\n+5.5\n")) == [(2, ["-5"]), (3, ["+5.5"])]


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    folder, missing = tmp_path / "folder", tmp_path / "missing.csv"
    folder.mkdir()
    assert said(folder) == "folder cannot be read: Is a directory."
    assert said(missing) == "missing.csv cannot be read: No such file or directory."


def test_a_byte_order_mark_is_no_part_of_the_first_column(file: Make) -> None:
    assert cells(file(b"\xef\xbb\xbfemployee_id\nE-1\n")) == [(2, ["E-1"])]
    assert cells(file(b'\xef\xbb\xbf"employee_id"\nE-1\n')) == [(2, ["E-1"])]


def test_a_row_is_named_by_the_line_in_which_it_begins(file: Make) -> None:
    path = file('employee_id,first_name\n"E-1","Ada\nAugusta"\n\nE-2,"Gr""ace"\n"E-3\n",",Edith;"\n')
    assert cells(path, STRICT) == [(2, ["E-1", "Ada\nAugusta"]), (5, ["E-2", 'Gr"ace']), (6, ["E-3", ",Edith;"])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_delimiters_and_line_ends_of_spreadsheets_are_known(file: Make, delimiter: str, end: str) -> None:
    lines = [["employee_id", "first_name"], ["E-1", "Ada"], ["", ""], ["E-2", "Grace"]]
    path = file(end.join(delimiter.join(line) for line in lines))
    assert cells(path, STRICT) == [(2, ["E-1", "Ada"]), (4, ["E-2", "Grace"])]


def test_blank_lines_are_passed_over_and_counted(file: Make) -> None:
    path = file("\n;;\nemployee_id;first_name\n\n ; \nE-1;Ada\n\n\n")
    table = read_table(path, STRICT)
    assert (table.count, cells(path, STRICT)) == (1, [(6, ["E-1", "Ada"])])


def test_spaces_around_values_are_left_out_and_told(file: Make) -> None:
    path = file("employee_id , first_name,mail\n E-1,Ada ,\nE-2,Grace Brewster, \n")
    assert read(path, STRICT) == [
        InputRow(2, {"employee_id": "E-1", "first_name": "Ada", "mail": ""}, ("employee_id", "first_name")),
        InputRow(3, {"employee_id": "E-2", "first_name": "Grace Brewster", "mail": ""}, ("mail",)),
    ]


def test_columns_without_a_meaning_and_their_number_do_not_matter_where_others_may_be(file: Make) -> None:
    path = file("note,employee_id,,\na,E-1,,\nb\nc,E-2,x,y,z\n")
    assert cells(path) == [(2, ["E-1"]), (3, [""]), (4, ["E-2"])]


def test_the_first_of_the_keys_counts(file: Make) -> None:
    table = read_table(file("username,employee_id\nada,E-1\n"), LOOSE)
    assert (table.key, [row.cells for row in table.rows()]) == ("employee_id", [{"employee_id": "E-1"}])
    assert read_table(file("username\nada\n"), LOOSE).key == "username"


def test_rows_are_read_again_and_are_the_same(file: Make) -> None:
    """Although the file on disk is another by now."""
    path = file("employee_id\nE-1\nE-1\n")
    content = path.read_bytes()
    table = read_table(path, LOOSE)
    path.write_text("employee_id\nE-9\n")
    rows = [InputRow(2, {"employee_id": "E-1"}), InputRow(3, {"employee_id": "E-1"})]
    assert (list(table.rows()), list(table.rows())) == (rows, rows)
    assert (table.count, table.digest) == (2, hashlib.sha256(content).hexdigest())


def test_a_pass_that_was_given_up_leaves_the_next_one_whole(file: Make) -> None:
    table = read_table(file("employee_id\n" + "".join(f"E-{n}\n" for n in range(1000))), LOOSE)
    next(table.rows())
    assert [row.line for row in table.rows()] == list(range(2, 1002))


@pytest.mark.parametrize(("content", "shown"), [(b"employee_id\nE-1\n", "E-1"), (b"", "standard input is empty.")])
def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, content: bytes, shown: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    if content:
        assert cells(None) == [(2, [shown])]
    else:
        assert said(None) == shown


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"employee_id\nE-1\n")
    os.close(write_end)
    try:
        assert cells(Path(f"/dev/fd/{read_end}")) == [(2, ["E-1"])]
    finally:
        os.close(read_end)


def peak_of(act: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file_or_its_report(tmp_path: Path) -> None:
    peaks = []
    for count in (5_000, 25_000):
        path = tmp_path / f"{count}.csv"
        with path.open("w") as out:
            out.write("employee_id,first_name\n")
            out.writelines(f"E-{n},Somebody with a rather long name number {n}\n" for n in range(count))

        def work(path: Path = path, count: int = count) -> None:
            table: Table = read_table(path, STRICT)
            report = Report(tmp_path / "report.csv")
            rows = table.rows()
            while chunk := list(islice(rows, 1000)):
                report.take([RowOutcome(row.line, row.cells["employee_id"], Outcome.REFUSED, "No.") for row in chunk])
            report.keep()
            assert (table.count, report.counts) == (count, {"refused": count})

        peaks.append(peak_of(work))
    assert max(peaks) < 4_000_000
    assert peaks[1] < peaks[0] * 1.2


# The report.

ROWS = [
    RowOutcome(2, "E-1", Outcome.ENROLLED),
    RowOutcome(3, "=E-2", Outcome.REFUSED, "@home, it says."),
    RowOutcome(4, "", Outcome.REFUSED, "Give an employee number."),
    RowOutcome(6, "E-1", Outcome.REPEATED, 'As in line "2".'),
]


def test_a_report_has_a_line_for_every_row(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    report = Report(path)
    report.take(ROWS[:3])
    report.take(ROWS[3:])
    report.keep()
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "key", "outcome", "reason"],
            ["2", "E-1", "enrolled", ""],
            ["3", "'=E-2", "refused", "'@home, it says."],
            ["4", "", "refused", "Give an employee number."],
            ["6", "E-1", "repeated", 'As in line "2".'],
        ]
    assert (report.counts, report.last_line) == ({"enrolled": 1, "refused": 2, "repeated": 1}, 6)
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_names_refused_rows_and_says_how_many_more_there_are(tmp_path: Path) -> None:
    report = Report(None)
    report.take(ROWS)
    assert report.lines() == ["line 3, =E-2: @home, it says.", "line 4, (blank): Give an employee number."]
    assert report.rows() == [
        {"line": 3, "key": "=E-2", "outcome": "refused", "reason": "@home, it says."},
        {"line": 4, "key": "", "outcome": "refused", "reason": "Give an employee number."},
    ]
    report.take([RowOutcome(line, "E", Outcome.REFUSED, "No.") for line in range(10, 1210)])
    assert len(report.lines()) == MOST_LINES + 1
    assert report.lines()[-1] == "… and 1,182 more, which --report FILE lists."
    report.keep()
    report.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_key_cannot_break_the_line_that_names_it() -> None:
    report = Report(None)
    report.take([RowOutcome(2, "E-1\n\x1b[2JE-2", Outcome.REFUSED, "No.")])
    assert report.lines() == ["line 2, E-1  [2JE-2: No."]


def test_a_report_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    report = Report(path)
    report.take(ROWS)
    assert not path.exists()
    report.keep()
    assert path.exists()


def test_what_did_not_come_to_pass_is_not_reported(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    for earlier in ("", "an earlier report"):
        if earlier:
            path.write_text(earlier)
        report = Report(path)
        report.take(ROWS)
        report.discard()
        assert [(found, found.read_text()) for found in tmp_path.iterdir()] == ([(path, earlier)] if earlier else [])


def test_an_earlier_report_is_replaced_where_a_link_points_to_it(tmp_path: Path) -> None:
    path, link = tmp_path / "report.csv", tmp_path / "link.csv"
    path.write_text("an earlier report")
    link.symlink_to(path)
    Report(link).keep()
    assert (link.is_symlink(), path.read_text()) == (True, "line,key,outcome,reason\n")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("folder", "it is no file"), ("", "it is no file"), ("pipe", "it is no file"),
     ("nowhere/report.csv", "No such file or directory")],
)  # fmt: skip
def test_where_no_report_can_be_written_is_said_at_once(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / name if name else Path()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CommandError) as refused:
        Report(path)
    assert str(refused.value) == f"The report {path} cannot be written: {reason}."
    assert sorted(tmp_path.iterdir()) == before


def test_a_disk_that_takes_no_more_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    report = Report(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(CommandError) as refused:
            report.take(ROWS * 1000)
        report.discard()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(refused.value) == f"The report {path} cannot be written: File too large."
    assert list(tmp_path.iterdir()) == []


def test_a_report_whose_place_has_become_a_folder_says_that_the_rows_are_done(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    report = Report(path)
    path.mkdir()
    with pytest.raises(CommandError) as refused:
        report.keep()
    assert str(refused.value) == (
        f"The report {path} cannot be written: Is a directory. The rows are done all the same."
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [("=1+1", "'=1+1"), ("@SUM", "'@SUM"), ("+cmd", "'+cmd"), ("-2+3", "'-2+3"), (" =1", "' =1"), ("\tx", "'\tx"),
     ("\rx", "'\rx"), ("'=1", "''=1"), ("''@x", "'''@x"),
     ("-5", "-5"), ("+5.5", "+5.5"), ("E-1", "E-1"), ("", ""), ("'t Hart", "'t Hart"), ("'-5", "'-5")],
)  # fmt: skip
def test_no_spreadsheet_runs_what_we_write_and_reading_undoes_it(text: str, shown: str) -> None:
    assert (harmless(text), as_it_was(harmless(text))) == (shown, text)


def test_what_was_made_harmless_is_read_as_it_was(file: Make) -> None:
    assert cells(file("employee_id\n'=E-1\n''@E-2\n't Hart\n")) == [(2, ["=E-1"]), (3, ["'@E-2"]), (4, ["'t Hart"])]
